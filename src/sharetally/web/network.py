"""Where a request comes from, when proxies stand in between.

The outermost layer of the application. What `X-Forwarded-For` says is read from the right, past the
proxies that are trusted, so a client can write into it what it likes and gains nothing. The server in
front must leave those fields alone (uvicorn: `proxy_headers=False`), or they would be believed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

_FORWARDED_FOR = b"x-forwarded-for"
_FORWARDED_PROTO = b"x-forwarded-proto"
_SIGNS_OF_A_PROXY = frozenset({_FORWARDED_FOR, _FORWARDED_PROTO, b"forwarded", b"x-real-ip", b"via"})
_BELIEVED = "sharetally.forwarded"
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}


def client_address(scope: Scope) -> str:
    """The client's IP address; `''` where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def block_of(address: str) -> str:
    """What stands for one household or host: an IPv4 address, or the /64 that an IPv6 address chooses itself in."""
    found = _address(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False))
    return str(found or address)


def in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address lies in one of the networks; what is no address lies in none."""
    found = _address(address) if networks else None
    return found is not None and any(found in network for network in networks)


def from_networks(scope: Scope, networks: Sequence[Network]) -> bool:
    """Whether the one who asks sits in one of the networks: for what operators may see.

    A request that passed a proxy nobody trusts bears the proxy's address, not its client's, so it is from
    nowhere: else a proxy on this machine would make the whole world look local.
    """
    if _BELIEVED not in scope and any(name in _SIGNS_OF_A_PROXY for name, _ in scope["headers"]):
        return False
    return in_networks(client_address(scope), networks)


class BehindProxies:
    """Put the client's address and scheme into the scope, as trusted proxies tell them."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a peer that is no trusted proxy is taken as it is."""
        trusted = scope["type"] != "lifespan" and in_networks(client_address(scope), self._trusted)
        await self._app(self._as_told(scope) if trusted else scope, receive, send)

    def _as_told(self, scope: Scope) -> Scope:
        told = {**scope, _BELIEVED: True}
        chain = _entries(scope, _FORWARDED_FOR)
        passed = self._proxies_passed(chain)
        if chain:
            origin = _address(chain[-1 - passed] if passed < len(chain) else chain[0])
            told["client"] = (str(origin), 0) if origin else None
        schemes = _entries(scope, _FORWARDED_PROTO)
        if schemes:
            told["scheme"] = _scheme(scope, schemes[max(0, len(schemes) - 1 - passed)])
        return told

    def _proxies_passed(self, chain: Sequence[str]) -> int:
        """How many entries at the right end are proxies of ours."""
        for count, entry in enumerate(reversed(chain)):
            if not in_networks(entry, self._trusted):
                return count
        return len(chain)


def _entries(scope: Scope, name: bytes) -> list[str]:
    values = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
    return [entry.strip() for entry in ",".join(values).split(",")] if values else []


def _scheme(scope: Scope, told: str) -> str:
    current: str = scope.get("scheme", "http")
    if told not in _WEBSOCKET_SCHEMES:
        return current
    return _WEBSOCKET_SCHEMES[told] if scope["type"] == "websocket" else told


def _address(text: str) -> Address | None:
    """Read `1.2.3.4`, `1.2.3.4:5678`, `::1` or `[::1]:5678`; IPv4 in IPv6 clothes is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
