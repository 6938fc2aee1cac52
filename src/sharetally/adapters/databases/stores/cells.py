"""The invariant as one statement: the counted, pending and ledger amounts of every cell, next to each other.

`ProofStore` compares them, and `CountStore` adds counted and pending. Each source (events, records, links, adjustments)
is summed once, and its sums are then assigned to the dimensions. One statement reads one snapshot on every database, so
the amounts that it compares belong together.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.stores.content_scopes import Scope

DIMENSIONS = ("total", "evidence", "channel", "campaign", "platform", "rollup")
Source = sa.Select[Any]
_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")
_EMPTY: sa.ColumnElement[Any] = sa.literal_column("''")
_NULL = sa.null()


def cells(scope: Scope, *, ledger: bool = True) -> Source:
    """One row per cell in scope with its counted, pending and ledger amounts; without `ledger` that column is 0."""
    t, c, r, e = tables.share_totals, tables.share_counts, tables.share_rollups, tables.events
    total: sa.ColumnElement[Any] = sa.literal_column("'total'")
    rollup: sa.ColumnElement[Any] = sa.literal_column("'rollup'")
    rollup_value = r.c.channel + sa.literal_column("'/'") + r.c.evidence
    gained = (e.c.evidence, e.c.channel, e.c.campaign, e.c.platform)
    lost = (e.c.from_evidence, e.c.from_channel, e.c.from_campaign, _NULL)
    gains = _source(e, scope, gained, e.c.delta, e.c.moved)
    losses = _source(e, scope, lost, _ZERO, -e.c.moved, e.c.from_evidence.is_not(None))
    sources = [
        _cell_row(t, total, _EMPTY, "counted", t.c.shares).where(scope(t)),
        _cell_row(c, c.c.dimension, c.c.value, "counted", c.c.shares).where(scope(c)),
        _cell_row(r, rollup, rollup_value, "counted", r.c.made - r.c.withdrawn).where(scope(r)),
        _per_dimension(gains, "pending"),
        _per_dimension(losses, "pending"),
    ]
    if ledger:
        sources += [_per_dimension(source, "ledger") for source in _ledger_sources(scope)]
    all_rows = sa.union_all(*sources).subquery()
    keys = (all_rows.c.content_type, all_rows.c.content_id, all_rows.c.dimension, all_rows.c.value)
    sums = [sa.func.sum(all_rows.c[name]).label(name) for name in ("counted", "pending", "ledger")]
    return sa.select(*keys, *sums).group_by(*keys)


def _source(table: Any, scope: Scope, cell: tuple[Any, ...], total: Any, moved: Any, *where: Any) -> Source:
    names = ("evidence", "channel", "campaign", "platform")
    labels = [column.label(name) for column, name in zip(cell, names, strict=True)]
    keys = [table.c.content_type, table.c.content_id]
    sums = (sa.func.sum(total).label("whole"), sa.func.sum(moved).label("moved"))
    grouping = [column for column in cell if isinstance(column, sa.Column)]
    return sa.select(*keys, *labels, *sums).where(scope(table), *where).group_by(*keys, *grouping)


def _ledger_sources(scope: Scope) -> list[Source]:
    r, k, a = tables.share_records, tables.share_links, tables.adjustments
    live_links = (k.c.deleted_at.is_(None), k.c.record_id.is_(None))
    one: sa.ColumnElement[Any] = sa.literal_column("1")
    link_label: sa.ColumnElement[Any] = sa.literal_column("'link'")
    return [
        _source(
            r,
            scope,
            (r.c.evidence, r.c.platform, _EMPTY, r.c.platform),
            one,
            one,
            r.c.status == "success",
        ),
        _source(k, scope, (link_label, k.c.channel, k.c.campaign, _NULL), one, one, *live_links),
        _source(a, scope, (a.c.evidence, a.c.channel, a.c.campaign, a.c.platform), a.c.amount, a.c.amount),
    ]


def _per_dimension(source: Source, side: str) -> Source:
    """One row per dimension for each row of a source."""
    s = source.subquery()
    d = sa.union_all(*(sa.select(sa.literal_column(f"'{name}'").label("dimension")) for name in DIMENSIONS)).subquery()
    dimension = d.c.dimension
    rollup = s.c.channel + sa.literal_column("'/'") + s.c.evidence
    value = sa.case(
        (dimension == "total", _EMPTY),
        (dimension == "evidence", s.c.evidence),
        (dimension == "channel", s.c.channel),
        (dimension == "campaign", s.c.campaign),
        (dimension == "platform", s.c.platform),
        else_=rollup,
    )
    amount = sa.case((dimension.in_(["total", "platform"]), s.c.whole), else_=s.c.moved)
    return _cell_row(s, dimension, value, side, amount).select_from(s.join(d, sa.true())).where(value.is_not(None))


def _cell_row(table: Any, dimension: Any, value: Any, side: str, amount: Any) -> Source:
    amounts = [(amount if name == side else _ZERO).label(name) for name in ("counted", "pending", "ledger")]
    labels = (dimension.label("dimension"), value.label("value"))
    return sa.select(table.c.content_type, table.c.content_id, *labels, *amounts)
