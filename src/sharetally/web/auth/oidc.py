"""The client of an OpenID provider: where to send people to sign in, and who comes back.

The code flow of OpenID Connect Core 1.0 with PKCE (RFC 7636, S256), `state`, `nonce` and the provider's `iss`
(RFC 9207). The provider's metadata is fetched by discovery, cached for ten minutes, and remains in use while the
provider is unreachable. An ID token is accepted if it is signed with one of the provider's published keys, for this
client and for this sign-in. A provider that does not answer is `Unavailable`; an invalid answer is `Unauthenticated`.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError

from sharetally.domain.errors import Unauthenticated, Unavailable
from sharetally.ports import Clock
from sharetally.ports.outbound import Outbound, OutboundResponse
from sharetally.web.auth.fetch import FETCH_ERRORS, fetch_url, is_secure_url, require_secure_url
from sharetally.web.auth.jwks import JwksKeySource, jwks_over_http
from sharetally.web.auth.signatures import SignatureVerifier
from sharetally.web.auth.tokens import LEEWAY

WELL_KNOWN = "/.well-known/openid-configuration"
MAX_AGE = 600.0  # seconds after which the metadata is fetched again
MIN_RETRY_INTERVAL = 5.0  # seconds, at least, between two attempts to fetch it
# algorithms with published keys only; an ID token signed with the shared client secret is not accepted
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
log = structlog.get_logger("sharetally.oidc")
T = TypeVar("T")


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata that a provider publishes (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True, kw_only=True):
    id_token: str
    access_token: str | None = None


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientConfig:
    """How this service is registered at the provider; without a `secret` it is a public client, protected by PKCE."""

    issuer: str
    client_id: str
    secret: str | None
    redirect_uri: str
    scope: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInAttempt:
    """The secrets of one sign-in, derived from the cookie of the browser that started it."""

    state: str
    nonce: str
    verifier: str
    challenge: str


class OidcProvider:
    """One provider; nothing is requested from it before somebody signs in."""

    def __init__(
        self, client: ClientConfig, *, outbound: Outbound, clock: Clock, now: Callable[[], float] = time.monotonic
    ) -> None:
        require_secure_url(client.issuer, "OIDC_ISSUER")
        self.client = client
        self._outbound = outbound
        self._clock = clock
        self._now = now
        self._discovered: tuple[Metadata, SignatureVerifier] | None = None
        self._refreshed_at = -MAX_AGE
        self._tried_at = -MAX_AGE
        self._lock = asyncio.Lock()

    async def sign_in_url(self, attempt: SignInAttempt, *, force_login: bool = False) -> str:
        """Where to send a person to sign in; with `force_login` the provider asks for a login in any case."""
        metadata, _ = await self._metadata_and_verifier()
        split = urlsplit(metadata.authorization_endpoint)
        parameters = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login"} if force_login else {}),
        }
        query = urlencode([*parse_qsl(split.query, keep_blank_values=True), *parameters.items()], quote_via=quote)
        return urlunsplit((split.scheme, split.netloc, split.path, query, ""))

    async def check_issuer(self, iss: str | None) -> None:
        """`Unauthenticated` if the response came from another provider than ours (RFC 9207, 2.4)."""
        metadata, _ = await self._metadata_and_verifier()
        if iss != metadata.issuer and (iss is not None or metadata.authorization_response_iss_parameter_supported):
            raise Unauthenticated("the response came from another issuer than OIDC_ISSUER")

    async def claims(self, code: str, attempt: SignInAttempt, *, required_claim: str) -> Mapping[str, object]:
        """The claims of whoever signed in; without `required_claim` in the ID token, userinfo is fetched too."""
        metadata, signatures = await self._metadata_and_verifier()
        tokens = await self._exchange_code(metadata, code, attempt)
        # the checks that OpenID Connect Core 1.0, 3.1.3.7, requires of an ID token
        options: dict[str, jwt.ClaimsOption] = {
            "iss": {"essential": True, "value": self.client.issuer},
            "aud": {"essential": True, "value": self.client.client_id},
            "nonce": {"essential": True, "value": attempt.nonce},
            **{name: {"essential": True} for name in ("sub", "exp", "iat")},
        }
        try:
            claims, _ = await signatures.verify(tokens.id_token)
            now = int(self._clock.now().timestamp())
            jwt.JWTClaimsRegistry(now=now, leeway=LEEWAY, **options).validate(claims)
        except (JoseError, OverflowError, TypeError, ValueError) as error:
            raise Unauthenticated(
                f"the ID token is invalid: {type(error).__name__} {getattr(error, 'claim', '')}"
            ) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", self.client.client_id) != self.client.client_id or (several and "azp" not in claims):
            raise Unauthenticated("the ID token is meant for another client")
        if required_claim in claims or metadata.userinfo_endpoint is None or tokens.access_token is None:
            return claims
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        response = await self._request(metadata.userinfo_endpoint, headers=headers)
        userinfo: dict[str, object] = _decode(response, dict[str, object])
        if userinfo.get("sub") != claims["sub"]:
            raise Unauthenticated("the userinfo endpoint answered for another user")
        return {**userinfo, **claims}

    async def check(self) -> None:
        """Raise an error unless the provider answers and publishes usable keys; for `doctor`."""
        metadata = _decode(await self._request(self.client.issuer.rstrip("/") + WELL_KNOWN), Metadata)
        self._check_metadata(metadata)
        try:
            await jwks_over_http(metadata.jwks_uri, self._outbound)()
        except FETCH_ERRORS as error:
            raise Unavailable(f"the OpenID provider's keys cannot be fetched ({error})"[:200]) from None

    # the provider's metadata

    async def _metadata_and_verifier(self) -> tuple[Metadata, SignatureVerifier]:
        if self._discovered is None or self._now() - self._refreshed_at >= MAX_AGE:
            await self._refresh_metadata(requested_at=self._now())
        if self._discovered is None:
            raise Unavailable("the OpenID provider does not answer at the moment", retry_after=5)
        return self._discovered

    async def _refresh_metadata(self, *, requested_at: float) -> None:
        async with self._lock:
            if self._tried_at >= requested_at or self._now() - self._tried_at < MIN_RETRY_INTERVAL:
                return
            self._tried_at = self._now()
            try:
                metadata = _decode(await self._request(self.client.issuer.rstrip("/") + WELL_KNOWN), Metadata)
                self._check_metadata(metadata)
            except (Unavailable, Unauthenticated) as error:
                log.warning("the OpenID provider could not be asked", reason=error.detail)
                return
            finally:
                self._tried_at = self._now()
            if self._discovered is None or self._discovered[0] != metadata:
                keys = JwksKeySource(fetch=jwks_over_http(metadata.jwks_uri, self._outbound))
                self._discovered = metadata, SignatureVerifier(dict.fromkeys(ALGORITHMS, keys))
            self._refreshed_at = self._now()

    def _check_metadata(self, metadata: Metadata) -> None:
        if metadata.issuer != self.client.issuer:
            raise Unauthenticated("the issuer in the provider's metadata is not OIDC_ISSUER")
        named = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri)
        if not all(map(is_secure_url, (*named, metadata.userinfo_endpoint or metadata.jwks_uri))):
            raise Unauthenticated("the provider's metadata contains an address that is not https")

    # the person who signed in

    async def _exchange_code(self, metadata: Metadata, code: str, attempt: SignInAttempt) -> _Tokens:
        client = self.client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers: dict[str, str] = {}
        if client.secret is not None and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # both are encoded before they are joined (RFC 6749, 2.3.1)
            pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = client.client_id
            form |= {"client_secret": client.secret} if client.secret is not None else {}
        return _decode(await self._request(metadata.token_endpoint, form=form, headers=headers), _Tokens)

    async def _request(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> OutboundResponse:
        try:
            response = await fetch_url(self._outbound, url, form=form, headers=headers)
        except FETCH_ERRORS as error:
            raise Unavailable(f"the OpenID provider does not answer ({error})"[:200], retry_after=5) from None
        if response.status >= 500 or response.status == 429:
            raise Unavailable(f"the OpenID provider answered with status {response.status}", retry_after=5)
        if response.status != 200:
            raise Unauthenticated(f"the provider answered with status {response.status} {_error_code(response)}")
        return response


def _error_code(response: OutboundResponse) -> str:
    """The error code in the response (RFC 6749, 5.2); empty if there is none."""
    try:
        return msgspec.json.decode(response.body, type=_Error).error[:64]
    except (ValueError, RecursionError):
        return ""


def _decode(response: OutboundResponse, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (ValueError, RecursionError):
        raise Unauthenticated("the provider's response does not follow OpenID Connect") from None
