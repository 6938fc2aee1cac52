"""The invariant as one statement: counted, pending and ledger of every cell, side by side.

Each source (events, records, links, adjustments) is folded once and then dealt out to the dimensions.
One statement is one snapshot on every database, so what it compares belongs together; a look at many
contents runs it in a snapshot of its own, or over ranges of contents where a long one would cost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection, RowBatch
from sharetally.adapters.databases.counting import CONTENT_KEY
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.statements import Row
from sharetally.adapters.databases.types import db_micros, db_now, row_in
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import EPOCH, start_of_quarter_hour
from sharetally.domain.proof import CellProof, VerificationResult

RANGE_SIZE = 1_000  # contents a short snapshot looks at
DIMENSIONS = ("total", "evidence", "channel", "campaign", "platform", "rollup")
Scope = Callable[[Any], Any]  # table -> condition on its content, or true
Source = sa.Select[Any]
_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")
_EMPTY: sa.ColumnElement[Any] = sa.literal_column("''")
_NULL = sa.null()


def only_content(content: ContentRef) -> Scope:
    """Only this content."""
    return lambda table: sa.and_(table.c.content_type == content.type, table.c.content_id == content.id)


def bound_content(table: Any) -> Any:
    """Only the content that the parameters `content_type` and `content_id` name."""
    names = sa.bindparam("content_type", type_=sa.String()), sa.bindparam("content_id", type_=sa.String())
    return sa.and_(table.c.content_type == names[0], table.c.content_id == names[1])


def any_of(contents: list[ContentRef]) -> Scope:
    """Only these contents: one list, for a condition each would take ten times as long to write."""
    pairs = [(content.type, content.id) for content in contents]
    return lambda table: row_in((table.c.content_type, table.c.content_id), pairs)


def all_contents(table: Any) -> Any:
    """All contents."""
    return sa.true()


def content_range(low: ContentRef | None, high: ContentRef | None) -> Scope:
    """Contents after `low`, up to and with `high`, in sorted order."""

    def condition(table: Any) -> Any:
        kind, name = table.c.content_type, table.c.content_id
        after = sa.or_(kind > low.type, sa.and_(kind == low.type, name > low.id)) if low else sa.true()
        up_to = sa.or_(kind < high.type, sa.and_(kind == high.type, name <= high.id)) if high else sa.true()
        return sa.and_(after, up_to)

    return condition


def _source(table: Any, scope: Scope, cell: tuple[Any, ...], total: Any, moved: Any, *where: Any) -> Source:
    names = ("evidence", "channel", "campaign", "platform")
    labels = [column.label(name) for column, name in zip(cell, names, strict=True)]
    keys = [table.c.content_type, table.c.content_id]
    sums = (sa.func.sum(total).label("whole"), sa.func.sum(moved).label("moved"))
    grouping = [column for column in cell if isinstance(column, sa.Column)]
    return sa.select(*keys, *labels, *sums).where(scope(table), *where).group_by(*keys, *grouping)


def _pending_sources(scope: Scope) -> list[Source]:
    e = tables.events
    gains = (e.c.evidence, e.c.channel, e.c.campaign, e.c.platform)
    losses = (e.c.from_evidence, e.c.from_channel, e.c.from_campaign, _NULL)
    return [
        _source(e, scope, gains, e.c.delta, e.c.moved),
        _source(e, scope, losses, _ZERO, -e.c.moved, e.c.from_evidence.is_not(None)),
    ]


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


def _counted_sources(scope: Scope) -> list[Source]:
    t, c, r = tables.share_totals, tables.share_counts, tables.share_rollups
    total: sa.ColumnElement[Any] = sa.literal_column("'total'")
    rollup: sa.ColumnElement[Any] = sa.literal_column("'rollup'")
    return [
        _cell_row(t, total, _EMPTY, "counted", t.c.shares).where(scope(t)),
        _cell_row(c, c.c.dimension, c.c.value, "counted", c.c.shares).where(scope(c)),
        _cell_row(
            r,
            rollup,
            r.c.channel + sa.literal_column("'/'") + r.c.evidence,
            "counted",
            r.c.made - r.c.withdrawn,
        ).where(scope(r)),
    ]


def proof_cells(scope: Scope, *, ledger: bool = True) -> Source:
    """Counted, pending and ledger of every cell in scope; without `ledger` that column is 0."""
    sources = _counted_sources(scope) + [_per_dimension(source, "pending") for source in _pending_sources(scope)]
    if ledger:
        sources += [_per_dimension(source, "ledger") for source in _ledger_sources(scope)]
    all_rows = sa.union_all(*sources).subquery()
    keys = (all_rows.c.content_type, all_rows.c.content_id, all_rows.c.dimension, all_rows.c.value)
    sums = [sa.func.sum(all_rows.c[name]).label(name) for name in ("counted", "pending", "ledger")]
    return sa.select(*keys, *sums).group_by(*keys)


_CONTENT_CELLS = proof_cells(bound_content)
_NOW = sa.select(db_now().label("now"))


def _drifted(scope: Scope) -> Source:
    cells = proof_cells(scope).subquery()
    return sa.select(cells).where(cells.c.counted + cells.c.pending != cells.c.ledger)


def _cell_proof(row: Row) -> CellProof:
    return CellProof(
        content=mapping.content_of(row),
        dimension=row["dimension"],
        value=row["value"],
        counted=int(row["counted"]),
        pending=int(row["pending"]),
        ledger=int(row["ledger"]),
    )


def _count_contents(scope: Scope) -> Source:
    t, e = tables.share_totals, tables.events
    contents = sa.union(
        sa.select(t.c.content_type, t.c.content_id).where(scope(t)),
        sa.select(e.c.content_type, e.c.content_id).where(scope(e), e.c.content_type != ""),
    ).subquery()
    return sa.select(sa.func.count().label("contents")).select_from(contents)


class SqlProofStore:
    """The look, and the mend."""

    _engine: Engine

    async def proof(self, content: ContentRef) -> tuple[list[CellProof], datetime]:
        """Every cell of one content."""
        async with self._engine.snapshot() as connection:
            rows = await connection.rows_prepared(
                _CONTENT_CELLS, {"content_type": content.type, "content_id": content.id}
            )
            at: datetime = (await connection.rows_prepared(_NOW, {}))[0]["now"]
        cells = [_cell_proof(row) for row in rows]
        return sorted(cells, key=lambda cell: (DIMENSIONS.index(cell.dimension), cell.value)), at

    async def verify(self, content: ContentRef | None, progress: Callable[[int], None]) -> VerificationResult:
        """Check one content or all."""
        if content is None and not self._engine.allows_long_snapshots:
            return await self._verify_ranges(progress)
        async with self._engine.snapshot(long=content is None) as connection:
            result = await _verify_scope(connection, only_content(content) if content else all_contents)
        progress(result.content_items)
        return result

    async def _verify_ranges(self, progress: Callable[[int], None]) -> VerificationResult:
        low, contents, drifted = None, 0, list[CellProof]()
        while True:
            async with self._engine.snapshot() as connection:
                high = await _end_of_range(connection, low)
                result = await _verify_scope(connection, content_range(low, high))
            contents += result.content_items
            drifted += result.drifted
            progress(contents)
            if high is None:
                return VerificationResult(content_items=contents, drifted=tuple(drifted))
            low = high

    async def repair(self, drifted: CellProof, audit: AuditEntry) -> int:
        """Lock the content's total, look at the cell again, and add what is missing."""
        content = drifted.content
        async with self._engine.write_transaction() as connection:
            await _lock_total(connection, content)
            rows = [_cell_proof(row) for row in await connection.rows(_drifted(only_content(content)))]
            amount = next(
                (-row.drift for row in rows if (row.dimension, row.value) == (drifted.dimension, drifted.value)),
                0,
            )
            if amount:
                await _correct_cell(connection, drifted, amount)
                row = mapping.audit_row(audit, connection.bind)
                await connection.insert_rows(RowBatch(tables.share_audit, mapping.AUDIT_COLUMNS, [row]))
        return amount

    async def reset_after_restore(self) -> int:
        """Raise versions, forget marks and send times; end sessions, for some had ended since the backup."""
        async with self._engine.write_transaction() as connection:
            t = tables.share_totals
            raised = await connection.run(
                t.update().values(version=sa.case((t.c.version < db_micros(), db_micros()), else_=t.c.version + 1))
            )
            await connection.run(tables.queue_marks.delete())
            await connection.run(tables.events.update().values(sent_at=db_now()))
            await connection.run(tables.console_codes.delete())
            await connection.run(tables.console_sessions.delete())
        return raised


async def _verify_scope(connection: Connection, scope: Scope) -> VerificationResult:
    contents = (await connection.rows(_count_contents(scope)))[0]["contents"]
    drifted = await connection.rows(_drifted(scope))
    return VerificationResult(content_items=contents, drifted=tuple(_cell_proof(row) for row in drifted))


async def _end_of_range(connection: Connection, low: ContentRef | None) -> ContentRef | None:
    t = tables.share_totals
    statement = sa.select(t.c.content_type, t.c.content_id).where(content_range(low, None)(t))
    rows = await connection.rows(statement.order_by(t.c.content_type, t.c.content_id).offset(RANGE_SIZE - 1).limit(1))
    return mapping.content_of(rows[0]) if rows else None


async def _lock_total(connection: Connection, content: ContentRef) -> None:
    """Touch the total: whoever counts this content waits, and its version rises with the repair."""
    clock = (await connection.rows(sa.select(db_now().label("now"), db_micros().label("micros"))))[0]
    row = {
        "content_type": content.type,
        "content_id": content.id,
        "shares": 0,
        "version": clock["micros"],
        "changed_at": clock["now"],
    }
    sets = {"version": "{greatest}({t}.version + 1, {version})", "changed_at": "{changed_at}"}
    await connection.upsert(tables.share_totals, [row], sets)
    await connection.select(tables.share_totals, CONTENT_KEY, [(content.type, content.id)], lock=True)


async def _correct_cell(connection: Connection, cell: CellProof, amount: int) -> None:
    key = {"content_type": cell.content.type, "content_id": cell.content.id}
    if cell.dimension == "total":
        t = tables.share_totals
        await connection.run(t.update().where(only_content(cell.content)(t)).values(shares=t.c.shares + amount))
    elif cell.dimension == "rollup":
        channel, evidence = cell.value.rsplit("/", 1)
        now: datetime = (await connection.rows_prepared(_NOW, {}))[0]["now"]
        change = {"bucket": start_of_quarter_hour(now), "made": max(amount, 0), "withdrawn": max(-amount, 0)}
        sets = {"made": "{t}.made + {made}", "withdrawn": "{t}.withdrawn + {withdrawn}"}
        await connection.upsert(
            tables.share_rollups, [{**key, "channel": channel, "evidence": evidence, **change}], sets
        )
    else:
        row = {**key, "dimension": cell.dimension, "value": cell.value, "shares": amount, "last_at": EPOCH}
        sets = {"shares": "{t}.shares + {shares}", "last_at": "{greatest}({t}.last_at, {last_at})"}
        await connection.upsert(tables.share_counts, [row], sets)
