"""The group commit: every command that waits while the last commit is in flight becomes ONE transaction.

Never a timer: a command that comes alone is committed at once; under load the batch grows by itself. A command that
is refused, whose data the database refuses, or whose hook fails is rejected alone. After a transient fault (a
deadlock, a twin) the batch runs again with the same ids. After a lost connection all of it is answered with 503,
unless a look at the database shows that the COMMIT had arrived. The queue is bounded: when it is full, the caller
is told so, and nothing was written.
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
from sharetally.flow.unit_of_work import Command, IdempotentCommand, StoredOnce, UnitOfWork, merge_lock_sets
from sharetally.ports import Clock, Ledger, Meter, StoredResponse, Transaction, Writes

T = TypeVar("T")
MAX_WAITING = 10_000  # commands that may wait
MAX_BATCH = 500  # commands in one transaction
RETRIES = Backoff(first=0.002, longest=0.2, attempts=20)
RETRY_SECONDS = 8.0  # each try waits five for a lock; who holds one longer than two of them does not let go of it soon
COMMIT_CHECKS = Backoff(first=0.1, longest=1.0, attempts=5)
MAX_HOOK_RETRIES = 3  # how often one request's hooks may make all of the batch run again
log = structlog.get_logger("sharetally.commit")


@dataclass(kw_only=True, slots=True, eq=False)
class _PendingCommand:
    """A command that waits, and the caller that waits for it.

    `error` is set by the try that refused it; `final_error` is kept from then on: its hooks are not run again.
    """

    command: Command[Any]
    future: asyncio.Future[Any]
    outcome: Any = None
    error: Exception | None = None
    final_error: Exception | None = None
    hook_retries: int = 0


@dataclass(kw_only=True, slots=True)
class _Written:
    """What a try wrote.

    `audit` are the ids to look for if the reply to COMMIT is lost; `responses` and `deliveries` say whether there
    were any.
    """

    events: Sequence[Event] = ()
    audit: list[UUID] = field(default_factory=list)
    responses: bool = False
    deliveries: bool = False

    def add(self, writes: Writes) -> None:
        self.audit += [entry.id for entry in writes.audit]
        self.responses = self.responses or bool(writes.responses)


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
        """Return the command's outcome once it is committed; raises what refused it."""
        if self._closed or len(self._queue) >= MAX_WAITING:
            raise QueueFull
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_PendingCommand(command=command, future=future))
        self._idle.clear()
        self._wake.set()
        return await future

    async def submit_idempotent(self, command: Command[Any], idempotent: IdempotentCommand) -> StoredResponse:
        """The same under an Idempotency-Key: a twin waits and gets the stored response."""
        return await Committer.submit(self, StoredOnce(command, idempotent))  # a subclass has wrapped it already

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
        """Write the batch, again after a transient fault; answer its callers; publish what it wrote."""
        self._meter.batch(len(batch))
        until, written = time.monotonic() + RETRY_SECONDS, None
        try:
            for pause in RETRIES:
                try:
                    written = await self._try_commit(batch)
                    break
                except TransientConflict:
                    if time.monotonic() > until:
                        break
                    await asyncio.sleep(pause * random.random())  # noqa: S311, two processes must not meet again
        except Unavailable as error:
            _fail(batch, error)
            return
        except Exception as error:  # the database refuses a value, or a command has a fault: which one?
            await self._split(batch, error)
            return
        if written is None:
            _fail(batch, Unavailable("too many writers want the same rows; nothing was written"))
            return
        for pending in batch:  # first: what is committed is committed, whatever publishing does
            if pending.future.done():
                continue  # this caller is gone; the others are not
            if pending.error is not None:
                pending.future.set_exception(pending.error)
            else:
                pending.future.set_result(pending.outcome)
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

    async def _try_commit(self, batch: list[_PendingCommand]) -> _Written:
        """One transaction: lock all rows that the batch may touch, apply its commands in order, write the result."""
        written = _Written()
        try:
            async with self._ledger.transaction() as tx:
                began = time.perf_counter()
                locked = await tx.lock(merge_lock_sets([pending.command.lock_set() for pending in batch]))
                self._meter.statement("lock", time.perf_counter() - began)
                work = UnitOfWork(locked, self._clock.now())
                for pending in batch:
                    if self._hooks.write:
                        await self._apply_with_hooks(tx, work, pending, written)
                        continue
                    pending.error = None
                    work.begin_command()
                    try:
                        pending.outcome = pending.command.apply(work)
                    except Rejected as error:
                        work.undo_command()
                        pending.error = error
                began = time.perf_counter()
                writes, deliveries = work.take_writes(), work.take_deliveries()
                await tx.write(writes)
                written.add(writes)
                if deliveries or self._hooks.write:  # a hook may have written some, too
                    await tx.deliveries.enqueue(deliveries)
                    written.deliveries = tx.deliveries.enqueued
                self._meter.statement("write", time.perf_counter() - began)
                written.events = list(tx.emitted)  # with what hooks emitted
                began = time.perf_counter()
            self._meter.statement("commit", time.perf_counter() - began)
        except CommitOutcomeUnknown as unknown:
            if not written.audit and written.responses:
                raise TransientConflict("only responses were written, and the same would be again") from unknown
            if not await self._commit_arrived(written.audit):
                raise
        return written

    async def _apply_with_hooks(
        self, tx: Transaction, work: UnitOfWork, pending: _PendingCommand, written: _Written
    ) -> None:
        """Write this command alone, in a savepoint, so that its hooks can fail alone.

        A hook that is too slow may cost the connection, and one that blocks itself the transaction: not twice.
        """
        pending.error = pending.final_error
        if pending.final_error is not None:
            return
        try:
            changes = work.begin_command()
            pending.outcome = pending.command.apply(work)
            async with tx.savepoint():
                writes = work.take_writes()
                await tx.write(writes)
                try:
                    await self._hooks.after(tx, changes)
                except HookTooSlow as error:
                    pending.final_error = error
                    raise
                except TransientConflict:
                    pending.hook_retries += 1
                    if pending.hook_retries == MAX_HOOK_RETRIES:
                        pending.final_error = Unavailable("a hook blocks itself; nothing was written")
                    raise
        except TransientConflict:
            raise
        except Exception as error:
            work.undo_command()
            pending.error = error
        else:
            written.add(writes)

    async def _commit_arrived(self, audit: Sequence[UUID]) -> bool:
        """Whether a COMMIT that nobody answered arrived; if nothing was written, that makes no difference."""
        if not audit:
            return True
        for pause in COMMIT_CHECKS:
            try:
                return await self._ledger.committed(audit)
            except SharetallyError:
                await asyncio.sleep(pause)
        return False


def _fail(batch: Iterable[_PendingCommand], error: Exception) -> None:
    for pending in batch:
        if not pending.future.done():
            pending.future.set_exception(error)
