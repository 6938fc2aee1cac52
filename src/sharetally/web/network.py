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
_PROXY_HEADERS = frozenset({_FORWARDED_FOR, _FORWARDED_PROTO, b"forwarded", b"x-real-ip", b"via"})
_FORWARDED_KEY = "sharetally.forwarded"
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}


def client_address(scope: Scope) -> str:
    """The client's IP address; `''` where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def address_block(address: str) -> str:
    """What stands for one household or host: an IPv4 address, or the /64 that an IPv6 address chooses itself in."""
    parsed = _parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed or address)


def is_in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address lies in one of the networks; what is no address lies in none."""
    parsed = _parse_address(address) if networks else None
    return parsed is not None and any(parsed in network for network in networks)


def is_from_networks(scope: Scope, networks: Sequence[Network]) -> bool:
    """Whether the one who asks sits in one of the networks: for what operators may see.

    A request that passed a proxy nobody trusts bears the proxy's address, not its client's, so it is from
    nowhere: else a proxy on this machine would make the whole world look local.
    """
    if _FORWARDED_KEY not in scope and any(name in _PROXY_HEADERS for name, _ in scope["headers"]):
        return False
    return is_in_networks(client_address(scope), networks)


class ProxyHeadersMiddleware:
    """Put the client's address and scheme into the scope, as trusted proxies tell them."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a peer that is no trusted proxy is taken as it is."""
        trusted = scope["type"] != "lifespan" and is_in_networks(client_address(scope), self._trusted)
        await self._app(self._with_forwarded_client(scope) if trusted else scope, receive, send)

    def _with_forwarded_client(self, scope: Scope) -> Scope:
        forwarded = {**scope, _FORWARDED_KEY: True}
        chain = _header_entries(scope, _FORWARDED_FOR)
        trusted_count = self._count_trusted_proxies(chain)
        if chain:
            origin = _parse_address(chain[-1 - trusted_count] if trusted_count < len(chain) else chain[0])
            forwarded["client"] = (str(origin), 0) if origin else None
        schemes = _header_entries(scope, _FORWARDED_PROTO)
        if schemes:
            forwarded["scheme"] = _scheme(scope, schemes[max(0, len(schemes) - 1 - trusted_count)])
        return forwarded

    def _count_trusted_proxies(self, chain: Sequence[str]) -> int:
        """How many entries at the right end are proxies of ours."""
        for count, entry in enumerate(reversed(chain)):
            if not is_in_networks(entry, self._trusted):
                return count
        return len(chain)


def _header_entries(scope: Scope, name: bytes) -> list[str]:
    values = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
    return [entry.strip() for entry in ",".join(values).split(",")] if values else []


def _scheme(scope: Scope, forwarded: str) -> str:
    current: str = scope.get("scheme", "http")
    if forwarded not in _WEBSOCKET_SCHEMES:
        return current
    return _WEBSOCKET_SCHEMES[forwarded] if scope["type"] == "websocket" else forwarded


def _parse_address(text: str) -> Address | None:
    """Read `1.2.3.4`, `1.2.3.4:5678`, `::1` or `[::1]:5678`; IPv4 in IPv6 clothes is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed
