"""Who an account on Bluesky is, and which servers are in charge of it (atproto.com, handle, DID and OAuth).

    handle -> DID -> document of the DID -> server that holds the account -> authorization server

Handles change and anybody can claim one, so an account is known by its DID, and only the document of the DID says
which server may speak for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from sharetally.adapters.platforms._api import decode
from sharetally.ports.outbound import AddressRefused, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import ConnectFailed, PlatformUnavailable
from sharetally.ports.server_names import ServerNames

_HANDLE = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_DID = re.compile(r"did:(plc:[a-z2-7]{24}|web:[a-z0-9.-]{3,253})")
T = TypeVar("T")


class _Resolved(msgspec.Struct, frozen=True, kw_only=True):
    did: str


class _Service(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: str = ""
    serviceEndpoint: object = ""  # noqa: N815, the name in the document


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    alsoKnownAs: tuple[str, ...] = ()  # noqa: N815
    service: tuple[_Service, ...] = ()


class _Resource(msgspec.Struct, frozen=True, kw_only=True):
    authorization_servers: tuple[str, ...] = ()


class AuthorizationServer(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata that an authorization server publishes (RFC 8414)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    pushed_authorization_request_endpoint: str
    revocation_endpoint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """An account: its permanent id, the handle that its document claims, and the base URL of its server."""

    did: str
    handle: str
    server: str


class Directory:
    """Finds accounts and servers; raises `ConnectFailed` or `PlatformUnavailable`."""

    def __init__(self, outbound: Outbound, names: ServerNames, *, server: str, plc_directory: str) -> None:
        self._outbound = outbound
        self._names = names
        self._server = server
        self._plc_directory = plc_directory

    async def find(self, written: str) -> Identity | str:
        """The account, or the base URL of the server, that somebody means by a handle, a DID or an address."""
        written = written.strip().removeprefix("https://bsky.app/profile/").removeprefix("at://").strip("/")
        name = written.removeprefix("@").lower()
        if _DID.fullmatch(name):
            return await self.identity(name)
        if "://" not in written and _HANDLE.fullmatch(name):
            did = await self._resolve_handle(name)
            if did is not None:
                return await self.identity(did)
            if written.startswith("@"):
                raise ConnectFailed(f"there is no account @{name} on Bluesky; check the spelling")
        return self._names.base_url(written)

    async def identity(self, did: str) -> Identity:
        """What the document of a DID says."""
        if not _DID.fullmatch(did):
            raise ConnectFailed("Bluesky gave an id of a kind that this service does not know")
        method, _, name = did.removeprefix("did:").partition(":")
        if method == "plc":
            url = f"{self._plc_directory}/{did}"
        else:
            url = f"{self._names.base_url(name)}/.well-known/did.json"
        document = await self._read(url, _Document, f"the document of {did}")
        if document.id != did:
            raise ConnectFailed(f"the document of {did} is about another account")
        handles = [each.removeprefix("at://") for each in document.alsoKnownAs if each.startswith("at://")]
        for service in document.service:
            is_server = service.id in {"#atproto_pds", f"{did}#atproto_pds"}
            if is_server and isinstance(service.serviceEndpoint, str):
                server = self._names.base_url(service.serviceEndpoint)
                return Identity(did=did, handle=handles[0] if handles else did, server=server)
        raise ConnectFailed(f"no server holds the account {did}")

    async def authorization_server(self, server: str) -> AuthorizationServer:
        """Who issues tokens for the accounts of this server; a server without a reference issues them itself."""
        response = await self._get(f"{server}/.well-known/oauth-protected-resource")
        issuer = server
        if response.status == 200:
            resource = decode(response, _Resource)
            if resource is None or len(resource.authorization_servers) != 1:
                raise ConnectFailed(f"{server} does not say who issues its tokens")
            issuer = self._names.base_url(resource.authorization_servers[0])
        elif response.status >= 500 or response.status == 429:
            raise PlatformUnavailable(f"{server} answered {response.status}")
        return await self.metadata(issuer)

    async def metadata(self, issuer: str) -> AuthorizationServer:
        """The metadata of an issuer; every endpoint in it has to be on an acceptable server."""
        url = f"{issuer}/.well-known/oauth-authorization-server"
        found = await self._read(url, AuthorizationServer, f"the sign-in of {issuer}")
        endpoints = [found.authorization_endpoint, found.token_endpoint, found.pushed_authorization_request_endpoint]
        for endpoint in [*endpoints, found.revocation_endpoint or issuer]:
            split = urlsplit(endpoint)
            self._names.base_url(f"{split.scheme}://{split.netloc}")
        if found.issuer != issuer:
            raise ConnectFailed(f"{issuer} describes another server than itself")
        return found

    async def _resolve_handle(self, handle: str) -> str | None:
        query = urlencode({"handle": handle})
        response = await self._get(f"{self._server}/xrpc/com.atproto.identity.resolveHandle?{query}")
        if response.status >= 500 or response.status == 429:
            raise PlatformUnavailable(f"{self._server} answered {response.status}")
        found = decode(response, _Resolved) if response.status == 200 else None
        return None if found is None else found.did

    async def _read(self, url: str, shape: type[T], what: str) -> T:
        response = await self._get(url)
        if response.status >= 500 or response.status == 429:
            raise PlatformUnavailable(f"{what} cannot be read: {response.status}")
        found = decode(response, shape) if response.status == 200 else None
        if found is None:
            raise ConnectFailed(f"{what} cannot be read: check whether this is a Bluesky account or server")
        return found

    async def _get(self, url: str) -> OutboundResponse:
        try:
            return await self._outbound.request("GET", url, headers={"Accept": "application/json"})
        except AddressRefused as error:
            raise ConnectFailed(str(error)) from error
        except OutboundError as error:
            raise PlatformUnavailable(f"{urlsplit(url).netloc} cannot be reached: {error}") from error
