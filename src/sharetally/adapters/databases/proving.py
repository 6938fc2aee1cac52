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
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.counting import CONTENT_KEY
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.statements import Row
from sharetally.adapters.databases.types import among, db_micros, db_now
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import NEVER, bucket
from sharetally.domain.proof import CellProof, Verdict

RANGE = 1_000  # contents a short snapshot looks at
DIMENSIONS = ("total", "evidence", "channel", "campaign", "platform", "rollup")
Scope = Callable[[Any], Any]  # table -> condition on its content, or true
Source = sa.Select[Any]
_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")
_NOTHING: sa.ColumnElement[Any] = sa.literal_column("''")
_NULL = sa.null()


def one(content: ContentRef) -> Scope:
    """Only this content."""
    return lambda table: sa.and_(table.c.content_type == content.type, table.c.content_id == content.id)


def this(table: Any) -> Any:
    """Only the content that the parameters `content_type` and `content_id` name."""
    names = sa.bindparam("content_type", type_=sa.String()), sa.bindparam("content_id", type_=sa.String())
    return sa.and_(table.c.content_type == names[0], table.c.content_id == names[1])


def some(contents: list[ContentRef]) -> Scope:
    """Only these contents: one list, for a condition each would take ten times as long to write."""
    pairs = [(content.type, content.id) for content in contents]
    return lambda table: among((table.c.content_type, table.c.content_id), pairs)


def everything(table: Any) -> Any:
    """All contents."""
    return sa.true()


def between(low: ContentRef | None, high: ContentRef | None) -> Scope:
    """Contents after `low`, up to and with `high`, in sorted order."""

    def condition(table: Any) -> Any:
        kind, name = table.c.content_type, table.c.content_id
        after = sa.or_(kind > low.type, sa.and_(kind == low.type, name > low.id)) if low else sa.true()
        upto = sa.or_(kind < high.type, sa.and_(kind == high.type, name <= high.id)) if high else sa.true()
        return sa.and_(after, upto)

    return condition


def _source(table: Any, scope: Scope, cell: tuple[Any, ...], total: Any, moved: Any, *where: Any) -> Source:
    names = ("evidence", "channel", "campaign", "platform")
    labels = [column.label(name) for column, name in zip(cell, names, strict=True)]
    keys = [table.c.content_type, table.c.content_id]
    sums = (sa.func.sum(total).label("whole"), sa.func.sum(moved).label("moved"))
    grouped = [column for column in cell if isinstance(column, sa.Column)]
    return sa.select(*keys, *labels, *sums).where(scope(table), *where).group_by(*keys, *grouped)


def _pending(scope: Scope) -> list[Source]:
    e = tables.events
    gains = (e.c.evidence, e.c.channel, e.c.campaign, e.c.platform)
    losses = (e.c.from_evidence, e.c.from_channel, e.c.from_campaign, _NULL)
    return [
        _source(e, scope, gains, e.c.delta, e.c.moved),
        _source(e, scope, losses, _ZERO, -e.c.moved, e.c.from_evidence.is_not(None)),
    ]


def _ledger(scope: Scope) -> list[Source]:
    r, k, a = tables.share_records, tables.share_links, tables.adjustments
    live = (k.c.deleted_at.is_(None), k.c.record_id.is_(None))
    unit: sa.ColumnElement[Any] = sa.literal_column("1")
    link: sa.ColumnElement[Any] = sa.literal_column("'link'")
    return [
        _source(
            r,
            scope,
            (r.c.evidence, r.c.platform, _NOTHING, r.c.platform),
            unit,
            unit,
            r.c.status == "success",
        ),
        _source(k, scope, (link, k.c.channel, k.c.campaign, _NULL), unit, unit, *live),
        _source(a, scope, (a.c.evidence, a.c.channel, a.c.campaign, a.c.platform), a.c.amount, a.c.amount),
    ]


def _dealt(source: Source, side: str) -> Source:
    """One row per dimension for each row of a source."""
    s = source.subquery()
    d = sa.union_all(*(sa.select(sa.literal_column(f"'{name}'").label("dimension")) for name in DIMENSIONS)).subquery()
    dimension = d.c.dimension
    rollup = s.c.channel + sa.literal_column("'/'") + s.c.evidence
    value = sa.case(
        (dimension == "total", _NOTHING),
        (dimension == "evidence", s.c.evidence),
        (dimension == "channel", s.c.channel),
        (dimension == "campaign", s.c.campaign),
        (dimension == "platform", s.c.platform),
        else_=rollup,
    )
    amount = sa.case((dimension.in_(["total", "platform"]), s.c.whole), else_=s.c.moved)
    return _row(s, dimension, value, side, amount).select_from(s.join(d, sa.true())).where(value.is_not(None))


def _row(table: Any, dimension: Any, value: Any, side: str, amount: Any) -> Source:
    sides = [(amount if name == side else _ZERO).label(name) for name in ("counted", "pending", "ledger")]
    labels = (dimension.label("dimension"), value.label("value"))
    return sa.select(table.c.content_type, table.c.content_id, *labels, *sides)


def _counted(scope: Scope) -> list[Source]:
    t, c, r = tables.share_totals, tables.share_counts, tables.share_rollups
    total: sa.ColumnElement[Any] = sa.literal_column("'total'")
    rollup: sa.ColumnElement[Any] = sa.literal_column("'rollup'")
    return [
        _row(t, total, _NOTHING, "counted", t.c.shares).where(scope(t)),
        _row(c, c.c.dimension, c.c.value, "counted", c.c.shares).where(scope(c)),
        _row(
            r,
            rollup,
            r.c.channel + sa.literal_column("'/'") + r.c.evidence,
            "counted",
            r.c.made - r.c.withdrawn,
        ).where(scope(r)),
    ]


def cells(scope: Scope, *, ledger: bool = True) -> Source:
    """Counted, pending and ledger of every cell in scope; without `ledger` that column is 0."""
    parts = _counted(scope) + [_dealt(source, "pending") for source in _pending(scope)]
    if ledger:
        parts += [_dealt(source, "ledger") for source in _ledger(scope)]
    every = sa.union_all(*parts).subquery()
    keys = (every.c.content_type, every.c.content_id, every.c.dimension, every.c.value)
    sums = [sa.func.sum(every.c[name]).label(name) for name in ("counted", "pending", "ledger")]
    return sa.select(*keys, *sums).group_by(*keys)


_CELLS = cells(this)
_NOW = sa.select(db_now().label("now"))


def _drifted(scope: Scope) -> Source:
    found = cells(scope).subquery()
    return sa.select(found).where(found.c.counted + found.c.pending != found.c.ledger)


def _proof(row: Row) -> CellProof:
    return CellProof(
        content=mapping.content_of(row),
        dimension=row["dimension"],
        value=row["value"],
        counted=int(row["counted"]),
        pending=int(row["pending"]),
        ledger=int(row["ledger"]),
    )


def _known(scope: Scope) -> Source:
    t, e = tables.share_totals, tables.events
    both = sa.union(
        sa.select(t.c.content_type, t.c.content_id).where(scope(t)),
        sa.select(e.c.content_type, e.c.content_id).where(scope(e), e.c.content_type != ""),
    ).subquery()
    return sa.select(sa.func.count().label("contents")).select_from(both)


class SqlProving:
    """The look, and the mend."""

    _engine: Engine

    async def proof(self, content: ContentRef) -> tuple[list[CellProof], datetime]:
        """Every cell of one content."""
        async with self._engine.snapshot() as connection:
            rows = await connection.kept(_CELLS, {"content_type": content.type, "content_id": content.id})
            at: datetime = (await connection.kept(_NOW, {}))[0]["now"]
        found = [_proof(row) for row in rows]
        return sorted(found, key=lambda cell: (DIMENSIONS.index(cell.dimension), cell.value)), at

    async def verify(self, content: ContentRef | None, progress: Callable[[int], None]) -> Verdict:
        """Check one content or all."""
        if content is None and not self._engine.one_snapshot:
            return await self._verify_ranges(progress)
        async with self._engine.snapshot(long=content is None) as connection:
            verdict = await _look(connection, one(content) if content else everything)
        progress(verdict.contents)
        return verdict

    async def _verify_ranges(self, progress: Callable[[int], None]) -> Verdict:
        low, contents, drifted = None, 0, list[CellProof]()
        while True:
            async with self._engine.snapshot() as connection:
                high = await _end_of_range(connection, low)
                verdict = await _look(connection, between(low, high))
            contents += verdict.contents
            drifted += verdict.drifted
            progress(contents)
            if high is None:
                return Verdict(contents=contents, drifted=tuple(drifted))
            low = high

    async def repair(self, drifted: CellProof, audit: AuditEntry) -> int:
        """Lock the content's total, look at the cell again, and add what is missing."""
        content = drifted.content
        async with self._engine.writing() as connection:
            await _lock_total(connection, content)
            rows = [_proof(row) for row in await connection.rows(_drifted(one(content)))]
            amount = next(
                (-row.drift for row in rows if (row.dimension, row.value) == (drifted.dimension, drifted.value)),
                0,
            )
            if amount:
                await _add(connection, drifted, amount)
                await connection.insert((tables.share_audit, [mapping.audit_row(audit)]))
        return amount

    async def restored(self) -> int:
        """Raise versions, forget marks and send times; end sessions, for some had ended since the backup."""
        async with self._engine.writing() as connection:
            t = tables.share_totals
            raised = await connection.run(
                t.update().values(version=sa.case((t.c.version < db_micros(), db_micros()), else_=t.c.version + 1))
            )
            await connection.run(tables.queue_marks.delete())
            await connection.run(tables.events.update().values(sent_at=db_now()))
            await connection.run(tables.console_codes.delete())
            await connection.run(tables.console_sessions.delete())
        return raised


async def _look(connection: Connection, scope: Scope) -> Verdict:
    contents = (await connection.rows(_known(scope)))[0]["contents"]
    drifted = await connection.rows(_drifted(scope))
    return Verdict(contents=contents, drifted=tuple(_proof(row) for row in drifted))


async def _end_of_range(connection: Connection, low: ContentRef | None) -> ContentRef | None:
    t = tables.share_totals
    statement = sa.select(t.c.content_type, t.c.content_id).where(between(low, None)(t))
    rows = await connection.rows(statement.order_by(t.c.content_type, t.c.content_id).offset(RANGE - 1).limit(1))
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


async def _add(connection: Connection, cell: CellProof, amount: int) -> None:
    key = {"content_type": cell.content.type, "content_id": cell.content.id}
    if cell.dimension == "total":
        t = tables.share_totals
        await connection.run(t.update().where(one(cell.content)(t)).values(shares=t.c.shares + amount))
    elif cell.dimension == "rollup":
        channel, evidence = cell.value.rsplit("/", 1)
        now: datetime = (await connection.kept(_NOW, {}))[0]["now"]
        made = {"bucket": bucket(now), "made": max(amount, 0), "withdrawn": max(-amount, 0)}
        sets = {"made": "{t}.made + {made}", "withdrawn": "{t}.withdrawn + {withdrawn}"}
        await connection.upsert(tables.share_rollups, [{**key, "channel": channel, "evidence": evidence, **made}], sets)
    else:
        row = {**key, "dimension": cell.dimension, "value": cell.value, "shares": amount, "last_at": NEVER}
        sets = {"shares": "{t}.shares + {shares}", "last_at": "{greatest}({t}.last_at, {last_at})"}
        await connection.upsert(tables.share_counts, [row], sets)
