"""The group commit: every wish that waits while the last commit is in flight becomes ONE transaction.

Never a timer: alone, a wish commits at once; under load the batch grows by itself. A request that is
refused, whose data the database refuses, or whose hook fails is ejected alone; a passing fault (deadlock,
twin) runs the batch again with the same ids; a lost connection answers 503 to all of it, after a look
whether the COMMIT had arrived. The queue is bounded: when it is full nothing was written, and that is said.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import structlog

from sharetally.domain.backoff import Backoff
from sharetally.domain.errors import (
    CommitUnknown,
    QueueFull,
    Refused,
    RunAgain,
    SharetallyError,
    Unavailable,
)
from sharetally.domain.event import Event
from sharetally.flow.batch import Batch, EntityChange, Keyed, Wish, union
from sharetally.flow.hooks import Hooks, HookTooSlow
from sharetally.ports import Clock, Ledger, Meter, References, StoredAnswer, Transaction

T = TypeVar("T")
CAPACITY = 10_000  # wishes that may wait
BATCH = 500  # wishes in one transaction
AGAIN = Backoff(first=0.002, longest=0.2, attempts=20)
HELD_SECONDS = 8.0  # each try waits five for a lock; who holds one longer than two of them does not let go of it soon
LOOK = Backoff(first=0.1, longest=1.0, attempts=5)
STUMBLES = 3  # how often one request's hooks may make all of the batch run again
log = structlog.get_logger("sharetally.commit")


@dataclass(kw_only=True, slots=True, eq=False)
class _Entry:
    """A wish that waits, and whoever waits for it.

    `refused` is set by the try that refused it; `ejected` is kept from then on: its hooks are not run again.
    """

    wish: Wish[Any]
    keyed: Keyed | None
    answer: asyncio.Future[Any]
    outcome: Any = None
    refused: Exception | None = None
    ejected: Exception | None = None
    stumbles: int = 0

    def references(self) -> References:
        wanted = self.wish.references()
        return wanted | References(keys=frozenset({self.keyed.key})) if self.keyed else wanted


@dataclass(kw_only=True, slots=True)
class _Written:
    """What a try wrote: its events, audit ids to look for if the reply to COMMIT is lost, any answers or deliveries."""

    events: list[Event] = field(default_factory=list)
    audit: list[UUID] = field(default_factory=list)
    answers: bool = False
    deliveries: bool = False

    def add(self, other: _Written) -> None:
        self.audit += other.audit
        self.answers = self.answers or other.answers


class Committer:
    """One per process. `published` gets the events of every commit, `nudge` is called where it wrote deliveries.

    Neither may block.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        hooks: Hooks,
        meter: Meter,
        published: Callable[[Sequence[Event]], None],
        nudge: Callable[[], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._hooks = hooks
        self._meter = meter
        self._published = published
        self._nudge = nudge
        self._queue: deque[_Entry] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def submit(self, wish: Wish[T]) -> T:
        """Return the wish's outcome once it is committed; raises what refused it."""
        outcome: T = await self._enter(wish, None)
        return outcome

    async def submit_keyed(self, wish: Wish[Any], keyed: Keyed) -> StoredAnswer:
        """The same under an Idempotency-Key: a twin waits and gets the stored answer."""
        answer: StoredAnswer = await self._enter(wish, keyed)
        return answer

    async def _enter(self, wish: Wish[Any], keyed: Keyed | None) -> Any:
        if self._closed or len(self._queue) >= CAPACITY:
            raise QueueFull
        entry = _Entry(wish=wish, keyed=keyed, answer=asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._idle.clear()
        self._wake.set()
        return await entry.answer

    async def run(self) -> None:
        """Commit until cancelled; whoever starts this owns it. Nobody is left waiting when it ends."""
        batch: list[_Entry] = []
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                    try:
                        await self._commit(batch)
                    except Exception as error:  # outside the transaction, in metrics or publishing: nobody else commits
                        log.exception("commit_failed")
                        _fail(batch, error)
                self._idle.set()
        finally:
            self._closed = True
            _fail(batch, Unavailable("the service is stopping"))
            _fail(self._queue, QueueFull())

    async def drain(self) -> None:
        """Take no more, and return when all that waited is answered."""
        self._closed = True
        await self._idle.wait()

    async def _commit(self, batch: list[_Entry]) -> None:
        self._meter.batch(len(batch))
        try:
            written = await self._tries(batch)
        except Unavailable as error:
            _fail(batch, error)
        except Exception as error:  # the database refuses a value, or a wish has a fault: which one?
            await self._split(batch, error)
        else:
            _answer(batch)  # first: what is committed is committed, whatever publishing does
            if written.events:
                self._published(written.events)
            if written.deliveries and self._nudge is not None:
                self._nudge()

    async def _split(self, batch: list[_Entry], error: Exception) -> None:
        if len(batch) == 1:
            log.error("commit refused", error=str(error), kind=type(error).__name__)
            _fail(batch, error)
            return
        half = len(batch) // 2
        await self._commit(batch[:half])
        await self._commit(batch[half:])

    async def _tries(self, batch: list[_Entry]) -> _Written:
        until = time.monotonic() + HELD_SECONDS
        for pause in AGAIN:
            try:
                return await self._once(batch)
            except RunAgain:
                if time.monotonic() > until:
                    break
                await asyncio.sleep(pause * random.random())  # noqa: S311, two processes must not meet again
        raise Unavailable("too many writers want the same rows; nothing was written")

    async def _once(self, batch: list[_Entry]) -> _Written:
        written = _Written()
        try:
            async with self._ledger.transaction() as tx:
                await self._fold(tx, batch, written)
                began = time.perf_counter()
            self._meter.statement("commit", time.perf_counter() - began)
        except CommitUnknown as unknown:
            if not written.audit and written.answers:
                raise RunAgain("only answers were written, and the same would be again") from unknown
            if not await self._arrived(written.audit):
                raise
        return written

    async def _fold(self, tx: Transaction, batch: list[_Entry], written: _Written) -> None:
        began = time.perf_counter()
        locked = await tx.lock(union([entry.references() for entry in batch]))
        self._meter.statement("lock", time.perf_counter() - began)
        rows = Batch(locked, self._clock.now())
        for entry in batch:
            if self._hooks.write:
                await self._apply_hooked(tx, rows, entry, written)
            else:
                _apply(rows, entry)
        began = time.perf_counter()
        await _write(tx, rows, written)
        await tx.deliveries.enqueue(rows.take_deliveries())
        written.deliveries = tx.deliveries.enqueued
        self._meter.statement("write", time.perf_counter() - began)
        written.events = list(tx.emitted)  # with what hooks emitted

    async def _apply_hooked(self, tx: Transaction, rows: Batch, entry: _Entry, written: _Written) -> None:
        """Write this request alone, in a savepoint, so that its hooks can fail alone."""
        mine = _Written()
        entry.refused = entry.ejected
        if entry.ejected is not None:
            return
        try:
            changes = rows.begin()
            entry.outcome = _folded(rows, entry)
            async with tx.savepoint():
                await _write(tx, rows, mine)
                await self._tell_hooks(tx, entry, changes)
        except RunAgain:
            raise
        except Exception as error:
            rows.undo()
            entry.refused = error
        else:
            written.add(mine)

    async def _tell_hooks(self, tx: Transaction, entry: _Entry, changes: Sequence[EntityChange]) -> None:
        """A hook that is too slow may cost the connection, one that is in its own way the transaction: not twice."""
        try:
            await self._hooks.after(tx, changes)
        except HookTooSlow as error:
            entry.ejected = error
            raise
        except RunAgain:
            entry.stumbles += 1
            if entry.stumbles == STUMBLES:
                entry.ejected = Unavailable("a hook is in its own way; nothing was written")
            raise

    async def _arrived(self, audit: Sequence[UUID]) -> bool:
        """Whether a COMMIT that nobody answered is there; nothing written is as good as there."""
        if not audit:
            return True
        for pause in LOOK:
            try:
                return await self._ledger.committed(audit)
            except SharetallyError:
                await asyncio.sleep(pause)
        return False


def _apply(rows: Batch, entry: _Entry) -> None:
    entry.refused = None
    rows.begin()
    try:
        entry.outcome = _folded(rows, entry)
    except Refused as error:
        rows.undo()
        entry.refused = error


def _folded(rows: Batch, entry: _Entry) -> object:
    keyed = entry.keyed
    if keyed is None:
        return entry.wish.apply(rows)
    stored = rows.answer(keyed)
    if stored is None:
        stored = keyed.render(entry.wish.apply(rows))
        rows.put_answer(keyed.key, stored)
    return stored


async def _write(tx: Transaction, rows: Batch, written: _Written) -> None:
    writes = rows.take_writes()
    await tx.write(writes)
    written.add(_Written(audit=[entry.id for entry in writes.audit], answers=bool(writes.answers)))


def _answer(batch: Sequence[_Entry]) -> None:
    for entry in batch:
        if entry.answer.done():
            continue  # the caller is gone; its neighbours are not
        if entry.refused is not None:
            entry.answer.set_exception(entry.refused)
        else:
            entry.answer.set_result(entry.outcome)


def _fail(batch: Iterable[_Entry], error: Exception) -> None:
    for entry in batch:
        if not entry.answer.done():
            entry.answer.set_exception(error)
