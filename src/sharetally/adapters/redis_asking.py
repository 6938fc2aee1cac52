"""Asking Redis without ever waiting long for it: what cache and channel have in common.

No call takes longer than its time-out, whatever the server does (waiting for a free connection, connecting and the
answer included), and no fault leaves as an error. After five faults in a row nobody asks for two seconds: a dead
server costs one request in a while its time-out, not each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sharetally.domain.errors import Misconfigured

_CONNECTIONS = 64  # of one process; who comes later waits within the time-out
_FAULTS = 5
_PAUSE = 2.0  # seconds
_Answer = TypeVar("_Answer")


class Asking:
    """One server, asked for `purpose` (`cache`, `channel`: how it is called in the log), `timeout` seconds at most."""

    def __init__(
        self, url: str, *, purpose: str, timeout: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.client = _client(url)
        self._purpose = purpose
        self._timeout = timeout
        self._slots = asyncio.Semaphore(self.client.connection_pool.max_connections)
        self._breaker = _Breaker(monotonic=monotonic)
        self._log = structlog.get_logger(f"sharetally.{purpose}")

    def __repr__(self) -> str:
        return "set aside" if self._breaker.tripped else "in use"

    def admits(self) -> bool:
        """Whether to ask at all."""
        return self._breaker.admits()

    async def ask(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer | None:
        """The server's answer, or None for any fault; either way the breaker learns of it."""
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                answer = await call()
        except Exception as fault:  # whatever server or client get wrong is no answer
            self._failed(fault)
            return None
        self._answered()
        return answer

    async def close(self) -> None:
        """Give the connections back, within the time-out; repeating is fine."""
        with suppress(Exception):  # a server that is gone does not hold up the end
            async with asyncio.timeout(self._timeout):
                await self.client.aclose()

    def _answered(self) -> None:
        if self._breaker.tripped:
            self._log.info(f"{self._purpose}_back")
        self._breaker.succeeded()

    def _failed(self, fault: Exception) -> None:
        was_tripped = self._breaker.tripped
        self._breaker.failed()
        if self._breaker.tripped and not was_tripped:
            # the kind alone: a client's texts may quote the address, and with it a password
            self._log.warning(f"{self._purpose}_away", fault=type(fault).__name__)


class _Breaker:
    """After five faults in a row nobody asks for two seconds; then one does and the rest await its word."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._faults = 0
        self._next_try = 0.0

    @property
    def tripped(self) -> bool:
        """Whether it keeps callers away."""
        return self._faults >= _FAULTS

    def admits(self) -> bool:
        """Whether this caller may ask; a probe that never reports back is followed by another."""
        if not self.tripped:
            return True
        now = self._monotonic()
        if now < self._next_try:
            return False
        self._next_try = now + _PAUSE
        return True

    def succeeded(self) -> None:
        """Let everybody through."""
        self._faults = 0

    def failed(self) -> None:
        """Note a fault; the pause begins with the last one."""
        self._faults += 1
        self._next_try = self._monotonic() + _PAUSE


def _client(url: str) -> Redis:
    """A client that does each thing once and leaves all timing to the caller.

    RESP2 without a greeting: one round trip less, and a server of any age understands it.
    """
    try:
        return Redis.from_url(
            url,
            protocol=2,
            driver_info=None,
            max_connections=_CONNECTIONS,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
    except (ValueError, TypeError):
        # without its cause: that may quote the password
        raise Misconfigured("CACHE_URL: not a Redis address; redis://, rediss:// and unix:// are") from None
