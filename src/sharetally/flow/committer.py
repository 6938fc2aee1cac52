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
    CommitOutcomeUnknown,
    QueueFull,
    Rejected,
    SharetallyError,
    TransientConflict,
    Unavailable,
)
from sharetally.domain.event import Event
from sharetally.flow.hooks import Hooks, HookTooSlow
from sharetally.flow.unit_of_work import Command, EntityChange, IdempotentCommand, UnitOfWork, merge_lock_sets
from sharetally.ports import Clock, Ledger, LockSet, Meter, StoredResponse, Transaction

T = TypeVar("T")
MAX_WAITING = 10_000  # wishes that may wait
MAX_BATCH = 500  # wishes in one transaction
RETRIES = Backoff(first=0.002, longest=0.2, attempts=20)
RETRY_SECONDS = 8.0  # each try waits five for a lock; who holds one longer than two of them does not let go of it soon
COMMIT_CHECKS = Backoff(first=0.1, longest=1.0, attempts=5)
MAX_HOOK_RETRIES = 3  # how often one request's hooks may make all of the batch run again
log = structlog.get_logger("sharetally.commit")


@dataclass(kw_only=True, slots=True, eq=False)
class _PendingCommand:
    """A wish that waits, and whoever waits for it.

    `error` is set by the try that refused it; `final_error` is kept from then on: its hooks are not run again.
    """

    command: Command[Any]
    idempotent: IdempotentCommand | None
    future: asyncio.Future[Any]
    outcome: Any = None
    error: Exception | None = None
    final_error: Exception | None = None
    hook_retries: int = 0

    def lock_set(self) -> LockSet:
        wanted = self.command.lock_set()
        return wanted | LockSet(keys=frozenset({self.idempotent.key})) if self.idempotent else wanted


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
    """One per process. `on_committed` gets the events of every commit, `nudge` is called where it wrote deliveries.

    Neither may block.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        hooks: Hooks,
        meter: Meter,
        on_committed: Callable[[Sequence[Event]], None],
        nudge: Callable[[], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._hooks = hooks
        self._meter = meter
        self._on_committed = on_committed
        self._nudge = nudge
        self._queue: deque[_PendingCommand] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def submit(self, command: Command[T]) -> T:
        """Return the wish's outcome once it is committed; raises what refused it."""
        outcome: T = await self._enqueue(command, None)
        return outcome

    async def submit_idempotent(self, command: Command[Any], idempotent: IdempotentCommand) -> StoredResponse:
        """The same under an Idempotency-Key: a twin waits and gets the stored answer."""
        answer: StoredResponse = await self._enqueue(command, idempotent)
        return answer

    async def _enqueue(self, command: Command[Any], idempotent: IdempotentCommand | None) -> Any:
        if self._closed or len(self._queue) >= MAX_WAITING:
            raise QueueFull
        entry = _PendingCommand(
            command=command, idempotent=idempotent, future=asyncio.get_running_loop().create_future()
        )
        self._queue.append(entry)
        self._idle.clear()
        self._wake.set()
        return await entry.future

    async def run(self) -> None:
        """Commit until cancelled; whoever starts this owns it. Nobody is left waiting when it ends."""
        batch: list[_PendingCommand] = []
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    batch = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
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

    async def _commit(self, batch: list[_PendingCommand]) -> None:
        self._meter.batch(len(batch))
        try:
            written = await self._commit_with_retries(batch)
        except Unavailable as error:
            _fail(batch, error)
        except Exception as error:  # the database refuses a value, or a wish has a fault: which one?
            await self._split(batch, error)
        else:
            _resolve(batch)  # first: what is committed is committed, whatever publishing does
            if written.events:
                self._on_committed(written.events)
            if written.deliveries and self._nudge is not None:
                self._nudge()

    async def _split(self, batch: list[_PendingCommand], error: Exception) -> None:
        if len(batch) == 1:
            log.error("commit refused", error=str(error), kind=type(error).__name__)
            _fail(batch, error)
            return
        half = len(batch) // 2
        await self._commit(batch[:half])
        await self._commit(batch[half:])

    async def _commit_with_retries(self, batch: list[_PendingCommand]) -> _Written:
        until = time.monotonic() + RETRY_SECONDS
        for pause in RETRIES:
            try:
                return await self._try_commit(batch)
            except TransientConflict:
                if time.monotonic() > until:
                    break
                await asyncio.sleep(pause * random.random())  # noqa: S311, two processes must not meet again
        raise Unavailable("too many writers want the same rows; nothing was written")

    async def _try_commit(self, batch: list[_PendingCommand]) -> _Written:
        written = _Written()
        try:
            async with self._ledger.transaction() as tx:
                await self._apply_batch(tx, batch, written)
                began = time.perf_counter()
            self._meter.statement("commit", time.perf_counter() - began)
        except CommitOutcomeUnknown as unknown:
            if not written.audit and written.answers:
                raise TransientConflict("only answers were written, and the same would be again") from unknown
            if not await self._commit_arrived(written.audit):
                raise
        return written

    async def _apply_batch(self, tx: Transaction, batch: list[_PendingCommand], written: _Written) -> None:
        began = time.perf_counter()
        locked = await tx.lock(merge_lock_sets([entry.lock_set() for entry in batch]))
        self._meter.statement("lock", time.perf_counter() - began)
        work = UnitOfWork(locked, self._clock.now())
        for entry in batch:
            if self._hooks.write:
                await self._apply_with_hooks(tx, work, entry, written)
            else:
                _apply(work, entry)
        began = time.perf_counter()
        await _write(tx, work, written)
        await tx.deliveries.enqueue(work.take_deliveries())
        written.deliveries = tx.deliveries.enqueued
        self._meter.statement("write", time.perf_counter() - began)
        written.events = list(tx.emitted)  # with what hooks emitted

    async def _apply_with_hooks(
        self, tx: Transaction, work: UnitOfWork, entry: _PendingCommand, written: _Written
    ) -> None:
        """Write this request alone, in a savepoint, so that its hooks can fail alone."""
        mine = _Written()
        entry.error = entry.final_error
        if entry.final_error is not None:
            return
        try:
            changes = work.begin_command()
            entry.outcome = _apply_command(work, entry)
            async with tx.savepoint():
                await _write(tx, work, mine)
                await self._run_hooks(tx, entry, changes)
        except TransientConflict:
            raise
        except Exception as error:
            work.undo_command()
            entry.error = error
        else:
            written.add(mine)

    async def _run_hooks(self, tx: Transaction, entry: _PendingCommand, changes: Sequence[EntityChange]) -> None:
        """A hook that is too slow may cost the connection, one that is in its own way the transaction: not twice."""
        try:
            await self._hooks.after(tx, changes)
        except HookTooSlow as error:
            entry.final_error = error
            raise
        except TransientConflict:
            entry.hook_retries += 1
            if entry.hook_retries == MAX_HOOK_RETRIES:
                entry.final_error = Unavailable("a hook is in its own way; nothing was written")
            raise

    async def _commit_arrived(self, audit: Sequence[UUID]) -> bool:
        """Whether a COMMIT that nobody answered is there; nothing written is as good as there."""
        if not audit:
            return True
        for pause in COMMIT_CHECKS:
            try:
                return await self._ledger.committed(audit)
            except SharetallyError:
                await asyncio.sleep(pause)
        return False


def _apply(work: UnitOfWork, entry: _PendingCommand) -> None:
    entry.error = None
    work.begin_command()
    try:
        entry.outcome = _apply_command(work, entry)
    except Rejected as error:
        work.undo_command()
        entry.error = error


def _apply_command(work: UnitOfWork, entry: _PendingCommand) -> object:
    idempotent = entry.idempotent
    if idempotent is None:
        return entry.command.apply(work)
    stored = work.stored_response(idempotent)
    if stored is None:
        stored = idempotent.render(entry.command.apply(work))
        work.put_response(idempotent.key, stored)
    return stored


async def _write(tx: Transaction, work: UnitOfWork, written: _Written) -> None:
    writes = work.take_writes()
    await tx.write(writes)
    written.add(_Written(audit=[entry.id for entry in writes.audit], answers=bool(writes.responses)))


def _resolve(batch: Sequence[_PendingCommand]) -> None:
    for entry in batch:
        if entry.future.done():
            continue  # the caller is gone; its neighbours are not
        if entry.error is not None:
            entry.future.set_exception(entry.error)
        else:
            entry.future.set_result(entry.outcome)


def _fail(batch: Iterable[_PendingCommand], error: Exception) -> None:
    for entry in batch:
        if not entry.future.done():
            entry.future.set_exception(error)
