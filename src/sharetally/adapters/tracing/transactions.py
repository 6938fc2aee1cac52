"""A transaction as a span: INTERNAL, caused by every request whose wish was folded in it.

The committer is one task and its transactions serve many requests, so no request's span is current there.
Each wish carries the span that was current when it was submitted, and leaves it with the transaction in
which it is applied. The span is made when the transaction ends, for its causes are known only then; a try
that is run again is a span of its own. A worker's transaction is under the span of its batch.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from opentelemetry.trace import Span, SpanContext, SpanKind, get_current_span

from sharetally.adapters.tracing.spans import EventOrigins, Spans, mark_failed
from sharetally.flow.committer import Committer
from sharetally.flow.unit_of_work import Command, IdempotentCommand, UnitOfWork
from sharetally.ports import Ledger, LockSet, StoredResponse, Transaction

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _OpenTransaction:
    """The transaction that this task has open: when it began, and the spans of those it serves."""

    started_ns: int = field(default_factory=time.time_ns)
    command_spans: list[SpanContext] = field(default_factory=list)


_current_transaction: ContextVar[_OpenTransaction | None] = ContextVar("sharetally_transaction", default=None)


class TracedCommitter(Committer):
    """Takes wishes with the span of whoever wishes."""

    async def submit(self, command: Command[T]) -> T:
        """The same, carried."""
        return await super().submit(_TracedCommand(command))

    async def submit_idempotent(self, command: Command[Any], idempotent: IdempotentCommand) -> StoredResponse:
        """The same, carried."""
        return await super().submit_idempotent(_TracedCommand(command), idempotent)


class _TracedCommand(Command[T_co]):
    """A wish that tells the transaction in which it is applied whose it is."""

    def __init__(self, command: Command[T_co]) -> None:
        self._command = command
        self._span = get_current_span().get_span_context()

    def lock_set(self) -> LockSet:
        """The wish's own."""
        return self._command.lock_set()

    def apply(self, work: UnitOfWork) -> T_co:
        """Fold the wish in."""
        transaction = _current_transaction.get()
        if transaction is not None and self._span.is_valid:
            transaction.command_spans.append(self._span)
        return self._command.apply(work)


class TracedLedger(Ledger):
    """Every transaction that somebody traced causes is a span."""

    def __init__(self, ledger: Ledger, *, spans: Spans, origins: EventOrigins) -> None:
        self._ledger = ledger
        self._spans = spans
        self._origins = origins

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction; what it wrote is known to be of this span once it is committed."""
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
        """Asked once in a blue moon, and not traced."""
        return await self._ledger.committed(audit_ids)

    def _record_span(
        self, open_transaction: _OpenTransaction, *, events: Sequence[UUID] = (), error: BaseException | None = None
    ) -> None:
        causes = open_transaction.command_spans or [get_current_span().get_span_context()]
        if not any(cause.is_valid for cause in causes):
            return
        span = self._start_span(open_transaction, causes, len(events))
        if error is not None:
            mark_failed(span, error)
        span.end()
        self._origins.remember(events, span.get_span_context())

    def _start_span(self, open_transaction: _OpenTransaction, causes: Sequence[SpanContext], events: int) -> Span:
        attributes = {"sharetally.commands": len(open_transaction.command_spans), "sharetally.events": events}
        return self._spans.start(
            "commit", SpanKind.INTERNAL, causes=causes, attributes=attributes, started_ns=open_transaction.started_ns
        )
