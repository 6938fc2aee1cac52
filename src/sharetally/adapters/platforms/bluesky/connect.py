"""How a user connects an account on Bluesky: OAuth with PAR, PKCE and DPoP (atproto.com, OAuth), or an app password.

The user names an account or a server; nothing is registered anywhere. Who issues tokens is found from there, and after
the sign-in the other way round: an issuer is believed about an account only if the account's own document leads to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec

from sharetally.adapters.platforms._api import POST_DEADLINE, decode, quoted
from sharetally.adapters.platforms._oauth import FORM, OAuthError, TokenResponse, rfc_error, utc_now
from sharetally.adapters.platforms.bluesky.dpop import DpopClient, load_key, new_key
from sharetally.adapters.platforms.bluesky.identity import AuthorizationServer, Directory, Identity
from sharetally.adapters.platforms.bluesky.oauth_client import SCOPE, OAuthClient
from sharetally.adapters.platforms.bluesky.passwords import APP_PASSWORD, PasswordSessions
from sharetally.adapters.platforms.bluesky.xrpc import DPOP_KEY
from sharetally.domain.account import Account, Profile, Tokens
from sharetally.ports.outbound import AddressRefused, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import (
    Authorization,
    ConnectFailed,
    Connection,
    Connector,
    GrantLost,
    PlatformUnavailable,
)
from sharetally.ports.server_names import ServerNames

# in `Authorization.private` and `Tokens.private`, beside the DPoP key
ISSUER, KEY_ID, ACCOUNT = "issuer", "key_id", "account"


class _Tokens(TokenResponse, frozen=True, kw_only=True):
    sub: str
    scope: str = ""
    token_type: str = ""


class _Pushed(msgspec.Struct, frozen=True, kw_only=True):
    request_uri: str


class BlueskyConnector(Connector):
    """Connects accounts; it is also a `PasswordConnector` and `PublishesDocuments`.

    `public_url` is the address of this service, `server` the one where accounts and handles are looked for if the user
    names none, and `client_keys` are described in `oauth_client.py`.
    """

    platform = "bluesky"

    def __init__(
        self,
        outbound: Outbound,
        *,
        public_url: str,
        client_name: str = "Sharetally",
        client_keys: Sequence[Mapping[str, str]] = (),
        server: str = "https://bsky.social",
        plc_directory: str = "https://plc.directory",
        names: ServerNames | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._names = names or ServerNames()
        self._now = now
        self._server = server
        self._client = OAuthClient(public_url=public_url, name=client_name, keys=client_keys, now=now)
        self._dpop = DpopClient(outbound, now=now)
        self._directory = Directory(outbound, self._names, server=server, plc_directory=plc_directory)
        self._passwords = PasswordSessions(outbound, now=now)

    def documents(self) -> Mapping[str, Mapping[str, object]]:
        """What the servers read about this client: `client-metadata.json`, and `jwks.json` if it has keys."""
        return self._client.documents()

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin, at the server of the account that the user named, or at the server itself."""
        found = await self._directory.find(server) if server.strip() else self._server
        issuer = await self._directory.authorization_server(found.server if isinstance(found, Identity) else found)
        private = {ISSUER: issuer.issuer, DPOP_KEY: new_key()}
        request = {
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        if isinstance(found, Identity):
            private[ACCOUNT] = found.did
            request["login_hint"] = found.handle
        private = self._with_key(private)
        response = await self._post(issuer, issuer.pushed_authorization_request_endpoint, private, request)
        pushed = decode(response, _Pushed) if response.status in {200, 201} else None
        if pushed is None:
            raise _refusal(response, rfc_error(response))
        query = urlencode({"client_id": self._client.id, "request_uri": pushed.request_uri}, quote_via=quote)
        return Authorization(url=f"{issuer.authorization_endpoint}?{query}", private=private)

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish: the answer has to come from the issuer at which this began (RFC 9207), about its own account."""
        if parameters.get("error") == "access_denied":
            raise ConnectFailed("you did not agree at Bluesky; nothing has been connected")
        if "error" in parameters or not parameters.get("code"):
            raise ConnectFailed("Bluesky did not connect the account; try again")
        if parameters.get("iss") != private[ISSUER]:
            raise ConnectFailed("the answer came from another server than the one at which you began; try again")
        private = self._with_key(private)
        issuer, now = await self._directory.metadata(private[ISSUER]), self._now()
        request = {
            "grant_type": "authorization_code",
            "code": parameters["code"],
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        response = await self._post(issuer, issuer.token_endpoint, private, request)
        received = decode(response, _Tokens) if response.status == 200 else None
        if received is None or received.token_type.lower() != "dpop":
            raise _refusal(response, rfc_error(response))
        if private.get(ACCOUNT, received.sub) != received.sub:
            raise ConnectFailed("you signed in with another account than the one that you named; try again")
        if "atproto" not in received.scope.split():
            raise ConnectFailed("Bluesky did not give the permission to post; try again")
        identity = await self._directory.identity(received.sub)
        if (await self._directory.authorization_server(identity.server)).issuer != issuer.issuer:
            raise ConnectFailed("this server does not speak for the account")
        kept = {name: value for name, value in private.items() if name != ACCOUNT}
        return [_connection(identity, _tokens(received, now, kept))]

    async def sign_in(self, *, identifier: str, password: str, server: str) -> Connection:
        """Connect with an app password; it goes only to the server that the user named, or to the default one."""
        if not APP_PASSWORD.fullmatch(password):
            raise ConnectFailed(
                "this is not an app password; create one in the settings of Bluesky (Privacy, security)"
            )
        base = self._names.base_url(server) if server.strip() else self._server
        session = await self._passwords.create(base, identifier.strip().removeprefix("@"), password)
        identity = await self._directory.identity(session.did)
        if identity.server != base and (await self._directory.authorization_server(identity.server)).issuer != base:
            raise ConnectFailed(f"{base} does not hold this account; name its server: {identity.server}")
        return _connection(identity, session.tokens)

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """New tokens; a refresh token works once, and using it again ends the grant."""
        if DPOP_KEY not in tokens.private:
            return await self._passwords.refresh(account.server, account.external_id, tokens)
        if tokens.refresh is None:
            raise GrantLost("Bluesky gave no refresh token")
        private, now = self._with_key(tokens.private), self._now()
        if not self._client.can_authenticate(private.get(KEY_ID)):
            raise GrantLost("the key with which this session began is not configured any more")
        request = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        try:
            issuer = await self._directory.metadata(private[ISSUER])
            response = await self._post(issuer, issuer.token_endpoint, private, request)
        except ConnectFailed as error:  # a server that describes itself wrongly today
            raise PlatformUnavailable(str(error)) from None
        received = decode(response, _Tokens) if response.status == 200 else None
        if received is not None and received.sub == account.external_id:
            return _tokens(received, now, private, refresh=tokens.refresh)
        code = rfc_error(response).error
        if response.status == 400 and code == "invalid_grant":
            raise GrantLost("Bluesky says that the grant is gone")
        raise PlatformUnavailable(f"Bluesky answered {response.status} to a refresh ({quoted(code) or 'no code'})")

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """End the session; an app password itself stays, because only the user can delete it."""
        if DPOP_KEY not in tokens.private:
            return await self._passwords.delete(account.server, tokens)
        private = self._with_key(tokens.private)
        if not self._client.can_authenticate(private.get(KEY_ID)):
            return None  # without its key the session is over
        request = {"token": tokens.refresh or tokens.access}
        try:
            issuer = await self._directory.metadata(private[ISSUER])
            if not issuer.revocation_endpoint:
                return None
            response = await self._post(issuer, issuer.revocation_endpoint, private, request)
        except ConnectFailed as error:
            raise PlatformUnavailable(str(error)) from None
        if response.status >= 300 and rfc_error(response).error not in {"invalid_grant", "invalid_token"}:
            raise PlatformUnavailable(f"Bluesky answered {response.status} to the revocation")
        return None

    def _with_key(self, private: Mapping[str, str]) -> dict[str, str]:
        """The key with which this session began, or the first one if it began while this service had no keys.

        Servers accept such a session from the client that has keys by now, and no longer from one that shows none.
        """
        first = self._client.first_key_id
        return dict(private) if first is None else {KEY_ID: first, **private}

    async def _post(
        self, issuer: AuthorizationServer, url: str, private: Mapping[str, str], request: Mapping[str, str]
    ) -> OutboundResponse:
        def body() -> bytes:
            return urlencode({**request, **self._client.authentication(issuer.issuer, private.get(KEY_ID))}).encode()

        try:
            return await self._dpop.request(
                "POST", url, key=load_key(private[DPOP_KEY]), headers=FORM, body=body, deadline=POST_DEADLINE
            )
        except AddressRefused as error:
            raise ConnectFailed(str(error)) from error
        except OutboundError as error:
            raise PlatformUnavailable(f"{issuer.issuer} cannot be reached: {error}") from error


def _tokens(received: _Tokens, now: datetime, private: Mapping[str, str], *, refresh: str | None = None) -> Tokens:
    expires_at = None if received.expires_in is None else now + timedelta(seconds=received.expires_in)
    return Tokens(
        access=received.access_token,
        refresh=received.refresh_token or refresh,
        expires_at=expires_at,
        private=dict(private),
    )


def _connection(identity: Identity, tokens: Tokens) -> Connection:
    profile = Profile(external_id=identity.did, handle=identity.handle, server=identity.server)
    return Connection(profile=profile, tokens=tokens)


def _refusal(response: OutboundResponse, error: OAuthError) -> ConnectFailed | PlatformUnavailable:
    if response.status == 429 or not 400 <= response.status < 500:
        return PlatformUnavailable(f"Bluesky answered {response.status}")
    if error.error == "invalid_grant":
        return ConnectFailed("Bluesky does not accept the code any more, which works once; connect again")
    return ConnectFailed(f"Bluesky refuses to connect the account ({quoted(error.error) or response.status})")
