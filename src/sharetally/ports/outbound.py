"""HTTP requests that this service sends to other servers.

Whoever talks to another server (keys of an issuer, an OpenID provider, later platforms and webhooks) does so through
`Outbound`. A call ends in one of two ways: with the whole response, or with an `OutboundError` of this closed set.

    OutboundError
    ├── AddressRefused     the URL is malformed, or leads to an address that is not allowed; nothing was sent
    ├── ConnectFailed      no connection (DNS, TCP, TLS): nothing was sent, so the request may safely be repeated
    ├── ExchangeFailed     the connection broke after sending began: the other server may have acted
    ├── ExchangeTimedOut   the deadline passed; `request_sent` tells whether sending had begun
    └── ResponseTooLarge   the body exceeded the cap: the other server has acted
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

DEADLINE = 5.0  # seconds for the whole exchange
MAX_BYTES = 256 * 1024  # bytes of a response's body


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundResponse:
    """A complete response, whatever its status; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OutboundError(Exception):
    """No usable response; `request_sent` tells whether the other server may have seen any part of the request."""

    request_sent: bool = False


class AddressRefused(OutboundError):
    """The URL is malformed, or its host has an address that is not allowed."""


class ConnectFailed(OutboundError):
    """The name does not resolve, nobody accepts the connection, or TLS fails."""


class ExchangeFailed(OutboundError):
    """The connection broke, or the other server broke the protocol, after sending began."""

    request_sent = True


class ExchangeTimedOut(OutboundError):
    """The exchange did not complete before its deadline."""

    def __init__(self, message: str, *, request_sent: bool) -> None:
        super().__init__(message)
        self.request_sent = request_sent


class ResponseTooLarge(OutboundError):
    """The body of the response exceeds the cap."""

    request_sent = True


class Outbound(Protocol):
    """Sends requests to other servers, within bounds."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float = DEADLINE,
        max_bytes: int = MAX_BYTES,
    ) -> OutboundResponse:
        """Send once and return the response, redirects included: they are never followed, nothing is retried.

        `deadline` is in seconds and covers everything from resolving the name to the last byte of the body.
        `max_bytes` limits the body as it travels; it is never decompressed. Raises `OutboundError`.
        """
        ...

    async def close(self) -> None:
        """Close every connection; a repeated call does nothing."""
        ...
