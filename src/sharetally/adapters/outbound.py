"""The one HTTP client through which this service talks to other servers.

It implements `ports/outbound.py` over httpx2 and guarantees: the whole exchange has a deadline and the body a cap;
redirects are returned, not followed; no cookie is kept; proxy settings of the environment count only if configured;
with an `AddressGuard` every connection goes to a checked address; no address that is requested appears in a log, since
some platforms want secrets in the query. Every fault, whichever library raises it, becomes an
`OutboundError` that says whether the other server may have received the request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext

import httpcore2
import httpx2

from sharetally import __version__
from sharetally.adapters.outbound_guard import AddressGuard, GuardedTransport
from sharetally.ports.outbound import (
    DEADLINE,
    MAX_BYTES,
    AddressRefused,
    ConnectFailed,
    ExchangeFailed,
    ExchangeTimedOut,
    Outbound,
    OutboundError,
    OutboundResponse,
    ResponseTooLarge,
)

_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)
# The cap counts the bytes that are received, so the body must not be compressed and grow afterwards.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"sharetally/{__version__}"}
_IS_SENDING: ContextVar[bool] = ContextVar("sharetally_is_sending", default=False)
_TIMEOUTS = (TimeoutError, httpx2.TimeoutException, httpcore2.TimeoutException)


class OutboundClient(Outbound):
    """Sends requests; `guard` restricts where they may go, `proxies_from_env` honours `HTTPS_PROXY` and the like.

    The two exclude each other: a proxy resolves names by itself, so no guard could check where it connects.
    `ssl_context` replaces the default one, which trusts the system's authorities or those of `SSL_CERT_FILE`.
    """

    def __init__(
        self,
        *,
        guard: AddressGuard | None = None,
        proxies_from_env: bool = False,
        ssl_context: SSLContext | None = None,
    ) -> None:
        if guard is not None and proxies_from_env:
            raise ValueError("a proxy resolves names by itself, so an address guard cannot work with one")
        # httpx2 logs the address of each request, and a host application may show that
        logging.getLogger("httpx2").addFilter(_is_of_others)
        tls = ssl_context or httpx2.create_ssl_context()
        self._client = httpx2.AsyncClient(
            transport=None if guard is None else GuardedTransport(guard, ssl_context=tls, limits=_LIMITS),
            verify=tls,
            limits=_LIMITS,
            trust_env=proxies_from_env,
            headers=_HEADERS,
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
        )

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
        """Send once and return the response; raises `OutboundError`."""
        exchange, reset_token = _Exchange(), _IS_SENDING.set(True)
        try:
            request = self._client.build_request(
                method,
                url,
                headers=dict(headers or {}),
                content=body or None,
                timeout=httpx2.Timeout(None, connect=deadline),
                extensions={"trace": exchange.trace},
            )
            if request.url.scheme not in ("http", "https") or not request.url.host:
                raise AddressRefused("the URL must be an absolute http or https URL")
            async with asyncio.timeout(deadline):
                response = await self._client.send(request, stream=True)
                try:
                    content = bytearray()
                    async for piece in response.aiter_raw():
                        content += piece
                        if len(content) > max_bytes:
                            raise ResponseTooLarge(f"the response is longer than {max_bytes} bytes")
                finally:
                    await response.aclose()
                return OutboundResponse(
                    status=response.status_code, headers=dict(response.headers), body=bytes(content)
                )
        except OutboundError:
            raise
        except httpx2.InvalidURL as error:
            raise AddressRefused(f"the URL is malformed: {error}") from None
        except _TIMEOUTS:
            message = f"no complete response within {deadline:g} seconds"
            raise ExchangeTimedOut(message, request_sent=exchange.request_sent) from None
        except Exception as error:  # libraries raise more than they document; callers handle a closed set
            kind = ExchangeFailed if exchange.request_sent else ConnectFailed
            raise kind(f"{type(error).__name__}: {error}"[:200]) from error
        finally:
            _IS_SENDING.reset(reset_token)

    async def close(self) -> None:
        """Close every connection; a repeated call does nothing."""
        await self._client.aclose()


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether a line of the library is about somebody else's request."""
    return not _IS_SENDING.get()


class _Exchange:
    """Notes when the first byte of the request itself leaves; a CONNECT to a proxy is not part of it."""

    def __init__(self) -> None:
        self.request_sent = False

    async def trace(self, event: str, info: Mapping[str, object]) -> None:
        if event.endswith("send_request_headers.started"):
            request = info.get("request")
            self.request_sent |= isinstance(request, httpcore2.Request) and request.method != b"CONNECT"
