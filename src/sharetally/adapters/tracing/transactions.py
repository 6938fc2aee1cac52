"""The span of a transaction: INTERNAL, caused by every request whose command it contains.

The committer is a single task whose transactions serve many requests, so no request's span is current in it. Each
command therefore carries the span that was current when it was submitted, and adds it to the transaction in which it is
applied. The span of the transaction is created at its end, because its causes are known only then; a retry gets a span
of its own. A transaction of a worker is a child of the batch.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from opentelemetry.trace import SpanContext, SpanKind, get_current_span

from sharetally.adapters.tracing.spans import EventOrigins, Spans, mark_failed
from sharetally.flow.committer import Committer
from sharetally.flow.unit_of_work import Command, IdempotentCommand, UnitOfWork
from sharetally.ports import Ledger, LockSet, StoredResponse, Transaction

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _OpenTransaction:
    """The open transaction of the current task: when it began, and the spans of the commands in it."""

    started_ns: int = field(default_factory=time.time_ns)
    command_spans: list[SpanContext] = field(default_factory=list)


_current_transaction: ContextVar[_OpenTransaction | None] = ContextVar("sharetally_transaction", default=None)


class TracedCommitter(Committer):
    """A committer whose commands carry the span of the request that submitted them."""

    async def submit(self, command: Command[T]) -> T:
        """Submit the command together with the current span."""
        return await super().submit(_TracedCommand(command))

    async def submit_idempotent(self, command: Command[Any], idempotent: IdempotentCommand) -> StoredResponse:
        """Submit the idempotent command together with the current span."""
        return await super().submit_idempotent(_TracedCommand(command), idempotent)


class _TracedCommand(Command[T_co]):
    """A command that adds the span of its request to the transaction in which it is applied."""

    def __init__(self, command: Command[T_co]) -> None:
        self._command = command
        self._span = get_current_span().get_span_context()

    def lock_set(self) -> LockSet:
        """The lock set of the wrapped command."""
        return self._command.lock_set()

    def apply(self, work: UnitOfWork) -> T_co:
        """Add the span to the open transaction and apply the wrapped command."""
        transaction = _current_transaction.get()
        if transaction is not None and self._span.is_valid:
            transaction.command_spans.append(self._span)
        return self._command.apply(work)


class TracedLedger(Ledger):
    """A ledger in which every transaction with a traced cause is a span."""

    def __init__(self, ledger: Ledger, *, spans: Spans, origins: EventOrigins) -> None:
        self._ledger = ledger
        self._spans = spans
        self._origins = origins

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction; after the commit, the span is remembered as the origin of the events that it wrote."""
        open_transaction = _OpenTransaction()
        token = _current_transaction.set(open_transaction)
        try:
            async with self._ledger.transaction() as tx:
                yield tx
        except BaseException as error:
            self._record_span(open_transaction, error=error)
            raise
        else:
            self._record_span(open_transaction, events=[event.id for event in tx.emitted])
        finally:
            _current_transaction.reset(token)

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """Ask the wrapped ledger; this is rare and not traced."""
        return await self._ledger.committed(audit_ids)

    def _record_span(
        self, open_transaction: _OpenTransaction, *, events: Sequence[UUID] = (), error: BaseException | None = None
    ) -> None:
        causes = open_transaction.command_spans or [get_current_span().get_span_context()]
        if not any(cause.is_valid for cause in causes):
            return
        span = self._spans.start(
            "commit",
            SpanKind.INTERNAL,
            causes=causes,
            attributes={"sharetally.commands": len(open_transaction.command_spans), "sharetally.events": len(events)},
            started_ns=open_transaction.started_ns,
        )
        if error is not None:
            mark_failed(span, error)
        span.end()
        self._origins.remember(events, span.get_span_context())
