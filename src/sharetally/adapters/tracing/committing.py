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

from sharetally.adapters.tracing.spans import Origins, Spans, failed
from sharetally.flow.batch import Batch, Keyed, Wish
from sharetally.flow.committer import Committer
from sharetally.ports import Ledger, References, StoredAnswer, Transaction

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Open:
    """The transaction that this task has open: when it began, and the spans of those it serves."""

    since: int = field(default_factory=time.time_ns)
    carried: list[SpanContext] = field(default_factory=list)


_open: ContextVar[_Open | None] = ContextVar("sharetally_transaction", default=None)


class TracedCommitter(Committer):
    """Takes wishes with the span of whoever wishes."""

    async def submit(self, wish: Wish[T]) -> T:
        """The same, carried."""
        return await super().submit(_Carried(wish))

    async def submit_keyed(self, wish: Wish[Any], keyed: Keyed) -> StoredAnswer:
        """The same, carried."""
        return await super().submit_keyed(_Carried(wish), keyed)


class _Carried(Wish[T_co]):
    """A wish that tells the transaction in which it is applied whose it is."""

    def __init__(self, wish: Wish[T_co]) -> None:
        self._wish = wish
        self._span = get_current_span().get_span_context()

    def references(self) -> References:
        """The wish's own."""
        return self._wish.references()

    def apply(self, batch: Batch) -> T_co:
        """Fold the wish in."""
        transaction = _open.get()
        if transaction is not None and self._span.is_valid:
            transaction.carried.append(self._span)
        return self._wish.apply(batch)


class TracedLedger(Ledger):
    """Every transaction that somebody traced causes is a span."""

    def __init__(self, ledger: Ledger, *, spans: Spans, origins: Origins) -> None:
        self._ledger = ledger
        self._spans = spans
        self._origins = origins

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction; what it wrote is known to be of this span once it is committed."""
        opened = _Open()
        token = _open.set(opened)
        try:
            async with self._ledger.transaction() as tx:
                yield tx
        except BaseException as error:
            self._ended(opened, error=error)
            raise
        else:
            self._ended(opened, events=[event.id for event in tx.emitted])
        finally:
            _open.reset(token)

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """Asked once in a blue moon, and not traced."""
        return await self._ledger.committed(audit_ids)

    def _ended(self, opened: _Open, *, events: Sequence[UUID] = (), error: BaseException | None = None) -> None:
        causes = opened.carried or [get_current_span().get_span_context()]
        if not any(cause.is_valid for cause in causes):
            return
        span = self._span(opened, causes, len(events))
        if error is not None:
            failed(span, error)
        span.end()
        self._origins.remember(events, span.get_span_context())

    def _span(self, opened: _Open, causes: Sequence[SpanContext], events: int) -> Span:
        attributes = {"sharetally.wishes": len(opened.carried), "sharetally.events": events}
        return self._spans.start("commit", SpanKind.INTERNAL, causes=causes, attributes=attributes, since=opened.since)
