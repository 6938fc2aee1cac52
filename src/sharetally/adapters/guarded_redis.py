"""Commands to Redis that never take long: shared by the cache, the channel and the quota.

No call takes longer than its time-out, including the wait for a free connection and the connect, and no fault is
raised as an error. After several faults in a row a circuit breaker skips the server for two seconds, so a dead server
costs an occasional request its time-out rather than every request.
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

_MAX_CONNECTIONS = 64  # per process; further calls wait for one within their time-out
_Response = TypeVar("_Response")


class GuardedRedis:
    """A client of one server; each call takes at most `timeout` seconds.

    `purpose` is `cache`, `channel` or `quota` and names the log events; `faults` in a row open the circuit breaker.
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
        try:
            # It never retries and leaves all time-outs to `call`. RESP2 needs no greeting, which saves a round trip.
            self.client: Redis = Redis.from_url(
                url,
                protocol=2,
                driver_info=None,
                max_connections=_MAX_CONNECTIONS,
                socket_timeout=None,
                socket_connect_timeout=None,
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError):
            # without the cause, which may quote the password
            reason = "CACHE_URL: not a Redis address; use redis://…, rediss://… or unix://…"
            raise ConfigurationError(reason) from None
        self._purpose = purpose
        self._timeout = timeout
        self._connection_slots = asyncio.Semaphore(self.client.connection_pool.max_connections)
        self._breaker = CircuitBreaker(faults=faults, monotonic=monotonic)
        self._log = structlog.get_logger(f"sharetally.{purpose}")

    def __repr__(self) -> str:
        return "set aside" if self._breaker.is_open else "in use"

    def allows(self) -> bool:
        """Whether the circuit breaker lets this caller send a command."""
        return self._breaker.allows()

    async def call(self, command: Callable[[], Awaitable[_Response]]) -> _Response | None:
        """Return the server's answer, or None after any fault; the circuit breaker learns of either."""
        try:
            async with asyncio.timeout(self._timeout), self._connection_slots:
                response = await command()
        except Exception as error:  # no fault of the server or the client library may reach the caller
            was_open = self._breaker.is_open
            self._breaker.record_failure()
            if self._breaker.is_open and not was_open:
                # only the class of the error, because its text may quote the URL and with it a password
                self._log.warning(f"{self._purpose}_away", fault=type(error).__name__)
            return None
        if self._breaker.is_open:
            self._log.info(f"{self._purpose}_back")
        self._breaker.record_success()
        return response

    async def close(self) -> None:
        """Close the connections within the time-out; a repeated call does nothing."""
        with suppress(Exception):  # a dead server must not delay the shutdown
            async with asyncio.timeout(self._timeout):
                await self.client.aclose()
