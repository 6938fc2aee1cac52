"""Connects only to addresses that were checked: the guard of `outbound.py` against server-side request forgery.

A URL that a stranger chose may name a host inside our network, or a name that changes its address between a check
and the connection (DNS rebinding). So the name is resolved once, every address found is checked, and the connection
goes to a checked address. Only the TCP connection knows that address: SNI, the certificate check, the Host header
and the connection pool keep the original name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from ssl import SSLContext
from typing import cast

import httpcore2
import httpx2

from sharetally.adapters.public_addresses import is_public
from sharetally.ports.outbound import AddressRefused

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver for all addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressGuard:
    """How names are resolved, and which of their addresses are allowed; the default allows public ones.

    `exempt_hosts` may have any address: the operator named them.
    """

    resolve: Resolve = resolve
    is_allowed: Callable[[IPv4Address | IPv6Address], bool] = is_public
    exempt_hosts: frozenset[str] = frozenset()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return all addresses of the host; `AddressRefused` if any of them is not allowed, `OSError` if none exists.

        One bad address refuses the host: otherwise whoever controls the name would choose which one is used.
        """
        found = await self.resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        if host not in self.exempt_hosts and not all(self.is_allowed(ip_address(address)) for address in found):
            # without the address: the message may reach the person who chose the URL
            raise AddressRefused(f"{host} has an address that is not on the public internet")
        return found


class GuardedTransport(httpx2.AsyncBaseTransport):
    """The transport of an httpx2 client whose connections all go through an `AddressGuard`."""

    def __init__(self, guard: AddressGuard, *, ssl_context: SSLContext, limits: httpx2.Limits) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context,
            network_backend=_GuardedBackend(guard),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; raises what httpcore2 raises."""
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=cast("AsyncIterable[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    """The body of a response, as httpx2 wants it."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._response.aiter_stream():
            yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections to checked addresses."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109, the name that httpcore2 uses
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers; each gets an even share of the time."""
        try:
            addresses = await self._guard.addresses(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        share = None if timeout is None else timeout / len(addresses)
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure
