"""The lifeguard: sends again what has provably passed through its queue and is still there.

While any event waits longer than 30 s, a marker with the database's time goes into every queue every
5 s. When the worker has noted a marker, everything that entered the queue before it is committed: an
event sent 10 s before the marker and not burned has lost its message. A queue that gives no marker for ten
minutes while somebody consumes it has lost them too. What a broker in memory held is gone with the process,
so there everything is sent at the start. In good weather this finds nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

import structlog

from sharetally.domain.errors import BrokerUnavailable, SharetallyError
from sharetally.flow.jobs import marker_message, to_messages
from sharetally.flow.sign_in import IDLE_SECONDS
from sharetally.ports import Broker, EventStore, Queue, ResponseStore, SessionStore

EVERY_SECONDS = 5.0
OVERDUE_SECONDS = 30.0
MARGIN = timedelta(seconds=10)
STUCK_AFTER = timedelta(minutes=10)
MAX_PER_CLAIM = 5_000
RESPONSE_RETENTION_SECONDS = 48 * 3600.0
PURGE_EVERY = 12  # rounds: once a minute, so that there is never much to do
PURGE_SECONDS = 4.0  # in one round, so that lost messages do not wait for it; the rest follows in the next round
MAX_PURGED = 5_000  # answers in one transaction: no writer waits long for it
log = structlog.get_logger("sharetally.relay")


class Relay:
    """Any number of them may run: each claims what it sends."""

    def __init__(
        self,
        *,
        events: EventStore,
        responses: ResponseStore,
        sessions: SessionStore,
        broker: Broker,
        queues: Sequence[Queue],
        every: float = EVERY_SECONDS,
    ) -> None:
        self._events = events
        self._responses = responses
        self._sessions = sessions
        self._broker = broker
        self._queues = tuple(queue for queue in queues if queue.jobs)
        self._every = every
        self._quiet_since: dict[str, datetime] = {}
        self._more_to_purge = False

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        if self._broker.volatile:
            await self._log_errors(self._send_everything())
        rounds = 0
        while True:
            await self._log_errors(self.run_once())
            began = time.monotonic()
            if self._more_to_purge or rounds % PURGE_EVERY == 0:
                await self._log_errors(self._purge())
            rounds += 1
            await asyncio.sleep(max(0.0, self._every - (time.monotonic() - began)))

    async def run_once(self) -> int:
        """One round; returns how many events were sent again."""
        if not self._broker.connected or not await self._events.has_unburned_older_than(OVERDUE_SECONDS):
            self._quiet_since.clear()
            return 0
        now = await self._events.now()
        await self._broker.publish([marker_message(queue.name, now) for queue in self._queues])
        marks = await self._events.marks()
        return sum([await self._resend_lost(queue, marks.get(queue.name), now) for queue in self._queues])

    async def _resend_lost(self, queue: Queue, mark: datetime | None, now: datetime) -> int:
        if mark is not None and mark > now:
            mark = None  # the database's clock was set back since: it proves nothing of what was sent after that
        if await self._is_stuck(queue, mark, now):
            return await self._send(queue, now - STUCK_AFTER)
        return await self._send(queue, mark - MARGIN) if mark is not None else 0

    async def _is_stuck(self, queue: Queue, mark: datetime | None, now: datetime) -> bool:
        """Whether markers went in for ten minutes and none came out, though somebody consumes."""
        first = self._quiet_since.setdefault(queue.name, now)
        newest = max(first, mark) if mark is not None else first
        if now - newest < STUCK_AFTER:
            return False
        state = await self._broker.state(queue.name)
        return state is not None and state.consumers > 0

    async def _send(self, queue: Queue, before: datetime | None) -> int:
        sent = 0
        while refs := await self._events.claim(queue.jobs, before, MAX_PER_CLAIM):
            await self._broker.publish(list(to_messages(refs)))
            sent += len(refs)
            if len(refs) < MAX_PER_CLAIM:
                break
        if sent:
            log.warning("sent again", queue=queue.name, events=sent)
        return sent

    async def _send_everything(self) -> None:
        for queue in self._queues:
            now = await self._events.now()
            await self._send(queue, now)

    async def _purge(self) -> None:
        until = time.monotonic() + PURGE_SECONDS
        purged = ended = 0
        self._more_to_purge = True
        while self._more_to_purge and time.monotonic() < until:
            answers = await self._responses.purge(RESPONSE_RETENTION_SECONDS, at_most=MAX_PURGED)
            sessions = await self._sessions.purge(IDLE_SECONDS, at_most=MAX_PURGED)
            self._more_to_purge = answers == MAX_PURGED or sessions >= MAX_PURGED
            purged, ended = purged + answers, ended + sessions
        if purged or ended:
            log.info("forgotten", answers=purged, sessions=ended)

    async def _log_errors(self, step: Awaitable[object]) -> None:
        try:
            await step
        except BrokerUnavailable as error:
            log.info("the broker is away", reason=error.detail)
        except SharetallyError as error:
            log.warning("relay could not look", reason=error.detail)
        except Exception:
            log.exception("relay_failed")  # the next round tries again
