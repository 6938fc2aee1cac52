"""Determines where a request comes from, also behind proxies.

The outermost layer of the application. `X-Forwarded-For` is read from the right, past the trusted proxies, so a client
gains nothing by writing into it. The HTTP server must not evaluate these headers itself (uvicorn:
`proxy_headers=False`), otherwise they would be applied twice.
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
    """The client's IP address; `''` if it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def address_block(address: str) -> str:
    """The addresses of one household or host: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = _parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed or address)


def is_in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of the networks; a malformed address is in none."""
    parsed = _parse_address(address) if networks else None
    return parsed is not None and any(parsed in network for network in networks)


def is_from_networks(scope: Scope, networks: Sequence[Network]) -> bool:
    """Whether the request comes from one of the networks; decides what operators may see.

    A request through an untrusted proxy has the address of the proxy instead of its client's, so it counts as coming
    from none of the networks. Otherwise a proxy on this machine would make every client look local.
    """
    if _FORWARDED_KEY not in scope and any(name in _PROXY_HEADERS for name, _ in scope["headers"]):
        return False
    return is_in_networks(client_address(scope), networks)


class ProxyHeadersMiddleware:
    """Puts the client's address and scheme, as reported by trusted proxies, into the scope."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; if the peer is not a trusted proxy, the scope stays as it is."""
        trusted = scope["type"] != "lifespan" and is_in_networks(client_address(scope), self._trusted)
        await self._app(self._with_forwarded_client(scope) if trusted else scope, receive, send)

    def _with_forwarded_client(self, scope: Scope) -> Scope:
        forwarded = {**scope, _FORWARDED_KEY: True}
        chain = _header_entries(scope, _FORWARDED_FOR)
        untrusted = (count for count, entry in enumerate(reversed(chain)) if not is_in_networks(entry, self._trusted))
        trusted_count = next(untrusted, len(chain))  # the entries at the right end that are trusted proxies
        if chain:
            origin = _parse_address(chain[-1 - trusted_count] if trusted_count < len(chain) else chain[0])
            forwarded["client"] = (str(origin), 0) if origin else None
        schemes = _header_entries(scope, _FORWARDED_PROTO)
        if schemes:
            scheme = schemes[max(0, len(schemes) - 1 - trusted_count)]
            if scheme in _WEBSOCKET_SCHEMES:
                forwarded["scheme"] = _WEBSOCKET_SCHEMES[scheme] if scope["type"] == "websocket" else scheme
        return forwarded


def _header_entries(scope: Scope, name: bytes) -> list[str]:
    values = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
    return [entry.strip() for entry in ",".join(values).split(",")] if values else []


def _parse_address(text: str) -> Address | None:
    """Parse `1.2.3.4`, `1.2.3.4:5678`, `::1` or `[::1]:5678`; an IPv4-mapped IPv6 address becomes IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed
