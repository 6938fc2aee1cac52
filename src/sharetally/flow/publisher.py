"""Sends what was committed to the broker, never awaited by the answer.

One task, at most 16 MB waiting. While the broker is away it tries again; what is older than five seconds or
does not fit is dropped: its row is in the database, and the relay sends it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from sharetally.domain.errors import BrokerUnavailable
from sharetally.domain.event import Event
from sharetally.flow.jobs import to_messages, to_ref
from sharetally.ports import Broker, EventRef

WAITING_BYTES = 16 * 1024 * 1024
JOB_BYTES = 256  # an estimate of what a job takes besides its content's id
OLDEST_SECONDS = 5.0
MAX_JOBS_PER_PUBLISH = 5_000  # jobs
PAUSE_SECONDS = 0.2
SPACING_SECONDS = 0.01  # what is committed alone goes out at once; a stream of commits, a hundred times a second
log = structlog.get_logger("sharetally.publish")


@dataclass(frozen=True, kw_only=True, slots=True)
class _WaitingJobs:
    """A commit's jobs; `size` in bytes, `since` of the monotonic clock."""

    refs: Sequence[EventRef]
    size: int
    since: float


class Publisher:
    """One per process that commits."""

    def __init__(self, broker: Broker, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._waiting: deque[_WaitingJobs] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def take(self, events: Sequence[Event]) -> None:
        """Accept a commit's events, if it made any; returns at once."""
        if not events:
            return
        size = sum(JOB_BYTES + 4 * len(event.content.id) for event in events)
        if self._size + size > WAITING_BYTES:
            return
        self._waiting.append(_WaitingJobs(refs=[to_ref(event) for event in events], size=size, since=self._clock()))
        self._size += size
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled; whoever starts this owns it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                # the oldest that wait, without those that are too old: the relay sends these
                batch: list[_WaitingJobs] = []
                jobs, too_old = 0, self._clock() - OLDEST_SECONDS
                while self._waiting and jobs < MAX_JOBS_PER_PUBLISH:
                    waiting = self._waiting.popleft()
                    if waiting.since < too_old:
                        self._size -= waiting.size
                    else:
                        batch.append(waiting)
                        jobs += len(waiting.refs)
                await self._publish(batch)
                await asyncio.sleep(SPACING_SECONDS)
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Give what waits this long to go; the relay has the rest."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.info("left to the relay", jobs=_job_count(self._waiting))

    async def _publish(self, batch: Sequence[_WaitingJobs]) -> None:
        if not batch:
            return
        try:
            refs = [ref for waiting in batch for ref in waiting.refs]
            await self._broker.publish(list(to_messages(refs, encoded=not self._broker.volatile)))
        except BrokerUnavailable as error:
            log.debug("not published", jobs=_job_count(batch), reason=error.detail)
            self._waiting.extendleft(reversed(batch))
            await asyncio.sleep(PAUSE_SECONDS)
            return
        except Exception:
            # Only this task publishes, so nothing may end it. These jobs are in the database: the relay sends them.
            log.exception("publish_failed", jobs=_job_count(batch))
            await asyncio.sleep(PAUSE_SECONDS)
        self._size -= sum(waiting.size for waiting in batch)


def _job_count(batch: Iterable[_WaitingJobs]) -> int:
    return sum(len(waiting.refs) for waiting in batch)
