"""The code flow of OAuth 2 as most platforms have it (RFC 6749, with PKCE of RFC 7636 and revocation of RFC 7009).

A platform's `Connector` describes its endpoints by `CodeFlow` and adds what is its own. Errors are classified by the
`error` code that RFC 6749 (5.2) defines: only `invalid_grant` says that a grant is lost. Whatever else goes wrong, a
refused client included, may be better in an hour, so it never costs anybody a connected account.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import quote, urlencode

import msgspec

from sharetally.adapters.platforms._api import decode
from sharetally.domain.account import Tokens
from sharetally.ports.outbound import Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import ConnectFailed, GrantLost, PlatformUnavailable

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def utc_now() -> datetime:
    """The time, for connectors that are not given another clock."""
    return datetime.now(UTC)


class ClientAuthentication(StrEnum):
    """How a confidential client proves itself (RFC 6749, 2.3.1)."""

    BASIC = "basic"
    BODY = "body"


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a token endpoint answers (RFC 6749, 5.1)."""

    access_token: str
    refresh_token: str | None = None
    expires_in: int | None = None

    def tokens(self, now: datetime, *, refresh: str | None = None) -> Tokens:
        """As tokens that begin now; `refresh` is carried over where the response brings no new one."""
        expires_at = None if self.expires_in is None else now + timedelta(seconds=self.expires_in)
        return Tokens(access=self.access_token, refresh=self.refresh_token or refresh, expires_at=expires_at)

    def __repr__(self) -> str:
        return "TokenResponse(...)"


class OAuthError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a token endpoint refuses a request (RFC 6749, 5.2); no `error` stands for an answer without a code."""

    error: str = ""
    error_description: str = ""


def rfc_error(response: OutboundResponse) -> OAuthError:
    """The error in a response of a token endpoint that follows RFC 6749."""
    return decode(response, OAuthError) or OAuthError()


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeFlow:
    """The endpoints of one platform and how this service is registered there.

    `label` is the platform as people write it. Without a `client_secret` this is a public client. `pkce` says whether
    the platform verifies a code challenge; one that does not know it may refuse the parameter. `lost_grants` are
    further pairs of error and exact description that mean `invalid_grant` at this platform; `read_error` is for one
    whose errors have another form.
    """

    label: str
    outbound: Outbound
    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scope: str
    authentication: ClientAuthentication
    pkce: bool
    revoke_url: str | None = None
    lost_grants: frozenset[tuple[str, str]] = frozenset()
    read_error: Callable[[OutboundResponse], OAuthError] = rfc_error

    def authorization_url(self, *, state: str, redirect_uri: str, code_challenge: str) -> str:
        """Where the user's browser goes."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.scope,
            "state": state,
        }
        if self.pkce:
            parameters |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
        return f"{self.authorize_url}?{urlencode(parameters, quote_via=quote)}"

    async def exchange(
        self, parameters: Mapping[str, str], *, redirect_uri: str, code_verifier: str
    ) -> OutboundResponse:
        """Turn the callback's parameters into the response that holds the tokens.

        Raises `ConnectFailed` if the user declined or the code is not accepted, or `PlatformUnavailable`.
        """
        if "error" in parameters or not parameters.get("code"):
            raise ConnectFailed(self._declined(parameters.get("error", "")))
        request = {"grant_type": "authorization_code", "code": parameters["code"], "redirect_uri": redirect_uri}
        if self.pkce:
            request["code_verifier"] = code_verifier
        try:
            return await self.request_token(request)
        except GrantLost:
            raise ConnectFailed(
                f"{self.label} does not accept the code any more, which is valid for a short time only; connect again"
            ) from None

    async def refresh(self, refresh_token: str) -> OutboundResponse:
        """Use a refresh token. Raises `GrantLost` or `PlatformUnavailable`."""
        try:
            return await self.request_token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        except ConnectFailed as error:  # the client is refused, not the user's grant
            raise PlatformUnavailable(str(error)) from None

    async def revoke(self, token: str, *, hint: str = "refresh_token") -> None:
        """Give a token back; a token that is already gone is fine. Raises `PlatformUnavailable`."""
        assert self.revoke_url is not None
        response = await self._post(self.revoke_url, {"token": token, "token_type_hint": hint})
        if response.status >= 300 and not self._is_lost(self.read_error(response)):
            raise PlatformUnavailable(f"{self.label} answered {response.status} to the revocation")

    async def request_token(self, request: Mapping[str, str]) -> OutboundResponse:
        """One request to the token endpoint; the response has status 200.

        Raises `GrantLost`, `ConnectFailed` if the client itself is refused, or `PlatformUnavailable`.
        """
        response = await self._post(self.token_url, request)
        if response.status == 200:
            return response
        error = self.read_error(response)
        if self._is_lost(error):
            raise GrantLost(f"{self.label} says that the grant is gone")
        if response.status in {400, 401, 403} and error.error:
            reason = f"{self.label} refuses the request for tokens ({_code(error.error)})"
            raise ConnectFailed(f"{reason}; connect again, and tell the operator of this service if it happens again")
        raise PlatformUnavailable(f"{self.label} answered {response.status} to a request for tokens")

    async def _post(self, url: str, request: Mapping[str, str]) -> OutboundResponse:
        form, headers = dict(request), dict(FORM)
        if self.client_secret is not None and self.authentication is ClientAuthentication.BASIC:
            pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self.client_id
            if self.client_secret is not None:
                form["client_secret"] = self.client_secret
        try:
            return await self.outbound.request("POST", url, headers=headers, body=urlencode(form).encode())
        except OutboundError as error:
            raise PlatformUnavailable(f"{self.label} cannot be reached: {error}") from error

    def _is_lost(self, error: OAuthError) -> bool:
        return error.error == "invalid_grant" or (error.error, error.error_description) in self.lost_grants

    def _declined(self, error: str) -> str:
        if error in {"access_denied", "user_cancelled_login", "user_cancelled_authorize"}:
            return f"you did not agree at {self.label}; nothing has been connected"
        return f"{self.label} did not connect the account ({_code(error) or 'no code'}); try again"


def read_tokens(response: OutboundResponse, label: str) -> TokenResponse:
    """The tokens in a response. Raises `PlatformUnavailable` if it holds none."""
    found = decode(response, TokenResponse)
    if found is None:
        raise PlatformUnavailable(f"{label} answered without tokens")
    return found


def _code(text: str) -> str:
    """An error code of a platform, bounded and harmless in a message."""
    return "".join(character for character in text[:60] if character.isalnum() or character in "_-.")
