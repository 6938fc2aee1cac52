"""Adjustments to rows and back."""

from __future__ import annotations

from collections.abc import Iterable

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.adapters.databases.mapping import content_of
from sharetally.adapters.databases.types import Binding
from sharetally.domain.adjustment import Adjustment

_COLUMNS = (
    "id", "request_key", "content_type", "content_id", "amount", "evidence", "channel", "campaign", "platform",
    "reason", "actor",
)  # fmt: skip


def new_adjustments(adjustments: Iterable[Adjustment], bind: Binding) -> RowBatch:
    """Adjustments to insert; the database adds when."""
    rows = [
        (
            bind.id(adjustment.id),
            adjustment.request_key,
            *adjustment.content,
            adjustment.amount,
            adjustment.evidence,
            adjustment.channel,
            adjustment.campaign,
            adjustment.platform,
            adjustment.reason,
            adjustment.actor,
        )
        for adjustment in adjustments
    ]
    return RowBatch(tables.adjustments, _COLUMNS, rows)


def adjustment_of(row: Row) -> Adjustment:
    """A stored adjustment."""
    values = {name: row[name] for name in _COLUMNS if name not in ("content_type", "content_id")}
    return Adjustment(content=content_of(row), **values)
