"""One attempt: pass a claimed delivery to its handler, then store the outcome and what follows from it.

If the database is unavailable, storing is retried until it succeeds, because the attempt has already happened. If the
lease was lost in the meantime, the outcome is rolled back together with everything that the handler wrote for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import Dead, Delivery, Outcome, Retry, conclude
from sharetally.domain.errors import SharetallyError, TransientConflict, Unavailable
from sharetally.domain.event import Event
from sharetally.flow.delivery.handler import Handler, Lease
from sharetally.ports import Clock, Ledger, Meter

STORE_BACKOFF = Backoff(first=0.02, longest=5.0)
TRANSIENT = (TransientConflict, Unavailable, ConnectionError, TimeoutError)
log = structlog.get_logger("sharetally.delivery")


class LeaseLost(Exception):
    """The attempt is no longer the newest one: nothing of its outcome is stored."""


class Attempts:
    """Runs attempts; after each commit, `on_committed` gets the events that the handler wrote."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        meter: Meter,
        on_committed: Callable[[Sequence[Event]], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._meter = meter
        self._on_committed = on_committed
        self._jitter = jitter

    async def run(self, handler: Handler, delivery: Delivery, lease: Lease) -> Outcome | None:
        """Attempt the delivery and store the outcome; None if the lease was lost in the meantime."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(handler.seconds):
                outcome = await handler.deliver(delivery, lease)
        except Exception as error:
            outcome = Retry(reason=reason_of(error))
        self._meter.delivery(delivery.kind, time.perf_counter() - began)
        outcome = self._concluded(handler, delivery, outcome)
        try:
            stored = await self._store(handler, delivery, lease.worker, outcome)
        except LeaseLost:
            log.warning("late outcome ignored", **_named(delivery), outcome=type(outcome).__name__)
            return None
        if isinstance(stored, Dead):
            log.error("delivery dead", **_named(delivery), attempts=delivery.attempts, reason=stored.reason)
        elif isinstance(stored, Retry):
            log.info("delivery failed", **_named(delivery), attempts=delivery.attempts, reason=stored.reason)
        return stored

    def _concluded(self, handler: Handler, delivery: Delivery, outcome: Outcome) -> Outcome:
        now, jitter = self._clock.now(), self._jitter()
        return conclude(outcome, attempts=delivery.tries, now=now, retries=handler.retries, jitter=jitter)

    async def _store(self, handler: Handler, delivery: Delivery, worker: UUID, outcome: Outcome) -> Outcome:
        """Retry until the outcome is stored.

        If `settle` of the handler raises, the attempt has failed, and that outcome is stored without the handler.
        """
        attempt, settles = 0, True
        while True:
            try:
                await self._store_once(handler if settles else None, delivery, worker, outcome)
                return outcome
            except LeaseLost:
                raise
            except TRANSIENT:
                attempt += 1
                await asyncio.sleep(STORE_BACKOFF.delay(attempt) or 0.0)
            except Exception as error:
                if not settles:
                    raise
                outcome, settles = self._concluded(handler, delivery, Retry(reason=reason_of(error))), False

    async def _store_once(self, handler: Handler | None, delivery: Delivery, worker: UUID, outcome: Outcome) -> None:
        async with self._ledger.transaction() as tx:
            if handler is not None:
                await handler.settle(tx, delivery, outcome)
            if not await tx.deliveries.finish(delivery, worker, outcome):
                raise LeaseLost
        if tx.emitted:
            self._on_committed(tx.emitted)


def reason_of(error: Exception) -> str:
    """The text of an exception for a person to read."""
    detail = error.detail if isinstance(error, SharetallyError) else ""
    return detail or f"{type(error).__name__}: {error}".removesuffix(": ")


def _named(delivery: Delivery) -> dict[str, str]:
    return {"delivery": str(delivery.id), "kind": delivery.kind, "target": delivery.target}
