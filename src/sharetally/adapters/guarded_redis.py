"""Asking Redis without ever waiting long for it: what cache, channel and quota have in common.

No call takes longer than its time-out, whatever the server does (waiting for a free connection, connecting and the
answer included), and no fault leaves as an error. After some faults in a row a circuit breaker keeps everybody from
asking for two seconds: a dead server costs one request in a while its time-out, not each.
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

from sharetally.adapters.circuit_breaker import CircuitBreaker
from sharetally.domain.errors import ConfigurationError

_MAX_CONNECTIONS = 64  # of one process; who comes later waits within the time-out
_Response = TypeVar("_Response")


class GuardedRedis:
    """One server, asked for `purpose` (`cache`, `channel`, `quota`: how the log calls it), `timeout` seconds at most.

    `faults` in a row open the circuit breaker.
    """

    def __init__(
        self,
        url: str,
        *,
        purpose: str,
        timeout: float,
        faults: int = 5,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = _create_client(url)
        self._purpose = purpose
        self._timeout = timeout
        self._connection_slots = asyncio.Semaphore(self.client.connection_pool.max_connections)
        self._breaker = CircuitBreaker(faults=faults, monotonic=monotonic)
        self._log = structlog.get_logger(f"sharetally.{purpose}")

    def __repr__(self) -> str:
        return "set aside" if self._breaker.is_open else "in use"

    def allows(self) -> bool:
        """Whether to ask at all."""
        return self._breaker.allows()

    async def call(self, command: Callable[[], Awaitable[_Response]]) -> _Response | None:
        """The server's answer, or None for any fault; either way the breaker learns of it."""
        try:
            async with asyncio.timeout(self._timeout), self._connection_slots:
                response = await command()
        except Exception as error:  # whatever server or client get wrong is no answer
            self._record_failure(error)
            return None
        self._record_success()
        return response

    async def close(self) -> None:
        """Give the connections back, within the time-out; repeating is fine."""
        with suppress(Exception):  # a server that is gone does not hold up the end
            async with asyncio.timeout(self._timeout):
                await self.client.aclose()

    def _record_success(self) -> None:
        if self._breaker.is_open:
            self._log.info(f"{self._purpose}_back")
        self._breaker.record_success()

    def _record_failure(self, error: Exception) -> None:
        was_open = self._breaker.is_open
        self._breaker.record_failure()
        if self._breaker.is_open and not was_open:
            # the kind alone: a client's texts may quote the address, and with it a password
            self._log.warning(f"{self._purpose}_away", fault=type(error).__name__)


def _create_client(url: str) -> Redis:
    """A client that does each thing once and leaves all timing to the caller.

    RESP2 without a greeting: one round trip less, and a server of any age understands it.
    """
    try:
        return Redis.from_url(
            url,
            protocol=2,
            driver_info=None,
            max_connections=_MAX_CONNECTIONS,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
    except (ValueError, TypeError):
        # without its cause: that may quote the password
        raise ConfigurationError("CACHE_URL: not a Redis address; redis://, rediss:// and unix:// are") from None
