"""Sends what was committed to the broker, never awaited by the answer.

One task, at most 16 MB waiting. What is older than five seconds or does not fit is dropped: its row is
in the database, and the relay sends it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from sharetally.domain.errors import BrokerUnavailable
from sharetally.domain.event import Event
from sharetally.flow.jobs import head_of, messages
from sharetally.ports import Broker, EventHead

WAITING_BYTES = 16 * 1024 * 1024
JOB_BYTES = 256  # an estimate, above what a job takes
OLDEST_SECONDS = 5.0
AT_ONCE = 5_000  # jobs
PAUSE_SECONDS = 0.2
log = structlog.get_logger("sharetally.publish")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parcel:
    heads: Sequence[EventHead]
    since: float


class Publisher:
    """One per process that commits."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: deque[_Parcel] = deque()
        self._jobs = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def take(self, events: Sequence[Event]) -> None:
        """Accept a commit's events; returns at once."""
        if (self._jobs + len(events)) * JOB_BYTES > WAITING_BYTES:
            return
        self._waiting.append(_Parcel(heads=[head_of(event) for event in events], since=time.monotonic()))
        self._jobs += len(events)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled; whoever starts this owns it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._publish(self._next())
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Give what waits this long to go; the relay has the rest."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.info("left to the relay", jobs=self._jobs)

    def _next(self) -> list[EventHead]:
        heads: list[EventHead] = []
        too_old = time.monotonic() - OLDEST_SECONDS
        while self._waiting and len(heads) < AT_ONCE:
            parcel = self._waiting.popleft()
            self._jobs -= len(parcel.heads)
            if parcel.since >= too_old:
                heads += parcel.heads
        return heads

    async def _publish(self, heads: list[EventHead]) -> None:
        if not heads:
            return
        try:
            await self._broker.publish(list(messages(heads)))
        except BrokerUnavailable as error:
            log.debug("left to the relay", jobs=len(heads), reason=error.detail)
            await asyncio.sleep(PAUSE_SECONDS)
