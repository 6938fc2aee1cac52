"""How a user connects a room: with the access token of a session that they began for this service.

A homeserver has no page on which a user could agree, so the form of app passwords serves: `identifier` is the room,
`appPassword` the access token, and `server` the homeserver. The service never sees the user's password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from sharetally.domain.account import Account, Profile, Tokens
from sharetally.ports.outbound import AddressRefused, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import (
    Authorization,
    ConnectFailed,
    Connection,
    Connector,
    GrantLost,
    PasswordConnector,
    PlatformUnavailable,
)
from sharetally.ports.server_names import ServerNames
from sharetally.settings import Settings
from sharetally_matrix_example.homeserver import (
    DEVICE,
    TOKEN_ERRORS,
    USER,
    Homeserver,
    decode,
    error_of,
    join_path,
)

FORM = "send the room as identifier, an access token as appPassword, and the homeserver as server"
T = TypeVar("T")


class _Session(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    device_id: str


class _Room(msgspec.Struct, frozen=True, kw_only=True):
    room_id: str


def create_connector(settings: Settings, outbound: Outbound) -> MatrixConnector:
    """What the entry point names; homeservers on private addresses are those of POST_PRIVATE_SERVERS."""
    return MatrixConnector(outbound, names=ServerNames(exceptions=frozenset(settings.post_private_servers)))


class MatrixConnector(Connector, PasswordConnector):
    """Connects rooms. An account of Sharetally is one room, in which one session of one Matrix user posts."""

    platform = "matrix"

    def __init__(self, outbound: Outbound, *, names: ServerNames) -> None:
        self._homeserver = Homeserver(outbound)
        self._names = names

    async def sign_in(self, *, identifier: str, password: str, server: str) -> Connection:
        """Ask the homeserver whose token this is, and which room is meant."""
        base, tokens = self._names.base_url(server), Tokens(access=password)
        response = await self._request("GET", base, "account/whoami", tokens)
        if error_of(response).errcode in TOKEN_ERRORS:
            raise ConnectFailed(f"{_host(base)} does not accept this access token")
        session = _expect(response, _Session, base)
        room = await self._room(base, tokens, identifier.strip())
        profile = Profile(external_id=room, handle=f"{session.user_id} in {identifier.strip()}", server=base)
        private = {USER: session.user_id, DEVICE: session.device_id}
        return Connection(profile=profile, tokens=Tokens(access=password, private=private))

    async def _room(self, base: str, tokens: Tokens, written: str) -> str:
        """The id of the room; its user must be in it, and it must not be encrypted."""
        room = written
        if written.startswith("#"):
            response = await self._request("GET", base, join_path("directory", "room", written), tokens)
            if response.status in {400, 404}:
                raise ConnectFailed(f"{_host(base)} does not know the room {written}")
            room = _expect(response, _Room, base).room_id
        elif not written.startswith("!"):
            raise ConnectFailed(f"{written[:80]!r} is not a room; write it like #news:matrix.example")
        response = await self._request("GET", base, join_path("rooms", room, "state", "m.room.encryption"), tokens)
        if response.status == 200:
            raise ConnectFailed("the room is encrypted, and this service could only write in plain text there")
        if response.status == 403:
            raise ConnectFailed("the user of this access token is not in the room; join it first")
        if response.status != 404:
            raise PlatformUnavailable(f"{_host(base)} answered {response.status}")
        return room

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """There is no page to agree on."""
        raise ConnectFailed(f"Matrix is connected without a browser: {FORM}")

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Nothing was begun that could be finished."""
        raise ConnectFailed(f"Matrix is connected without a browser: {FORM}")

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """The same token, as long as the homeserver accepts it: a session lasts until somebody ends it."""
        response = await self._request("GET", account.server, "account/whoami", tokens)
        if error_of(response).errcode in TOKEN_ERRORS:
            raise GrantLost("the session has ended")
        if response.status != 200:
            raise PlatformUnavailable(f"{_host(account.server)} answered {response.status}")
        return tokens

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """End the session; one that has ended is fine."""
        response = await self._request("POST", account.server, "logout", tokens)
        if response.status != 200 and error_of(response).errcode not in TOKEN_ERRORS:
            raise PlatformUnavailable(f"{_host(account.server)} answered {response.status}")

    async def _request(self, method: str, base: str, path: str, tokens: Tokens) -> OutboundResponse:
        try:
            return await self._homeserver.request(method, base, path, tokens)
        except AddressRefused as error:
            raise ConnectFailed(str(error)) from error
        except OutboundError as error:
            raise PlatformUnavailable(f"{_host(base)} cannot be reached: {error}") from error


def _expect(response: OutboundResponse, shape: type[T], base: str) -> T:
    found = decode(response, shape) if response.status == 200 else None
    if found is not None:
        return found
    if response.status == 429 or response.status >= 500:
        raise PlatformUnavailable(f"{_host(base)} answered {response.status}")
    raise ConnectFailed(f"{_host(base)} answered {response.status}: check whether it is a homeserver")


def _host(base: str) -> str:
    return urlsplit(base).netloc
