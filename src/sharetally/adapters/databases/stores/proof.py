"""The proof of counts: shows, verifies and repairs cells.

One look at one content item is one statement. A look at all of them runs in one snapshot where a long snapshot costs
nothing, and otherwise in a short snapshot for each range of content items.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.counting import CONTENT_KEY
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.cells import DIMENSIONS, Source, cells
from sharetally.adapters.databases.stores.content_scopes import (
    Scope,
    all_contents,
    bound_content,
    content_range,
    only_content,
)
from sharetally.adapters.databases.types import db_micros, db_now
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import EPOCH, start_of_quarter_hour
from sharetally.domain.proof import CellProof, VerificationResult
from sharetally.ports import ProofStore

RANGE_SIZE = 1_000  # content items per short snapshot
_CONTENT_CELLS = cells(bound_content)
_CLOCK = sa.select(db_now().label("now"), db_micros().label("micros"))


class SqlProofStore(ProofStore):
    """Reads the ledger and the counts; a repair writes counts and an audit entry."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def cells(self, content: ContentRef) -> tuple[list[CellProof], datetime]:
        """Read all cells with a statement that is compiled once, and the clock in the same snapshot."""
        parameters = {"content_type": content.type, "content_id": content.id}
        async with self._engine.snapshot() as connection:
            rows = await connection.rows_prepared(_CONTENT_CELLS, parameters)
            at: datetime = (await connection.rows_prepared(_CLOCK, {}))[0]["now"]
        found = [_cell_of(row) for row in rows]
        return sorted(found, key=lambda cell: (DIMENSIONS.index(cell.dimension), cell.value)), at

    async def verify(self, content: ContentRef | None, progress: Callable[[int], None]) -> VerificationResult:
        """Verify in one snapshot, or range by range where the database cannot afford a long one."""
        if content is not None or self._engine.allows_long_snapshots:
            async with self._engine.snapshot(long=content is None) as connection:
                result = await _verify(connection, only_content(content) if content else all_contents)
            progress(result.content_items)
            return result
        low, checked, drifted = None, 0, list[CellProof]()
        while True:
            async with self._engine.snapshot() as connection:
                t = tables.share_totals
                keys = (t.c.content_type, t.c.content_id)
                following = sa.select(*keys).where(content_range(low, None)(t)).order_by(*keys)
                last = await connection.rows(following.offset(RANGE_SIZE - 1).limit(1))
                high = mapping.content_of(last[0]) if last else None  # None: this range is the last one
                result = await _verify(connection, content_range(low, high))
            checked += result.content_items
            drifted += result.drifted
            progress(checked)
            if high is None:
                return VerificationResult(content_items=checked, drifted=tuple(drifted))
            low = high

    async def repair(self, drifted: CellProof, audit: AuditEntry) -> int:
        """Lock the content item's total, compute the drift of the cell once more, and add what is missing."""
        content = drifted.content
        async with self._engine.write_transaction() as connection:
            # Workers that count this content item wait from here on, and its version rises with the repair
            clock = (await connection.rows_prepared(_CLOCK, {}))[0]
            total = {"content_type": content.type, "content_id": content.id, "shares": 0}
            total |= {"version": clock["micros"], "changed_at": clock["now"]}
            sets = {"version": "{greatest}({t}.version + 1, {version})", "changed_at": "{changed_at}"}
            await connection.upsert(connection.batch(tables.share_totals, [total]), sets)
            await connection.select(tables.share_totals, CONTENT_KEY, [(content.type, content.id)], lock=True)
            found = [_cell_of(row) for row in await connection.rows(_drifted_cells(only_content(content)))]
            same_cell = (cell for cell in found if (cell.dimension, cell.value) == (drifted.dimension, drifted.value))
            amount = next((-cell.drift for cell in same_cell), 0)
            if amount:
                await _add_to_cell(connection, drifted, amount)
                await connection.insert(mapping.new_audit([audit], connection.bind))
        return amount

    async def reset_after_restore(self) -> int:
        """Set all versions to the clock in microseconds, or to the next one if they are ahead of it."""
        async with self._engine.write_transaction() as connection:
            t = tables.share_totals
            raised = await connection.run(
                t.update().values(version=sa.case((t.c.version < db_micros(), db_micros()), else_=t.c.version + 1))
            )
            await connection.run(tables.queue_marks.delete())
            await connection.run(tables.events.update().values(sent_at=db_now()))
            await connection.run(tables.console_codes.delete())
            await connection.run(tables.console_sessions.delete())
            await connection.run(tables.delivery_workers.delete())
        return raised


async def _verify(connection: Connection, scope: Scope) -> VerificationResult:
    t, e = tables.share_totals, tables.events
    contents = sa.union(
        sa.select(t.c.content_type, t.c.content_id).where(scope(t)),
        sa.select(e.c.content_type, e.c.content_id).where(scope(e), e.c.content_type != ""),
    ).subquery()
    number = (await connection.rows(sa.select(sa.func.count().label("n")).select_from(contents)))[0]["n"]
    drifted = await connection.rows(_drifted_cells(scope))
    return VerificationResult(content_items=number, drifted=tuple(_cell_of(row) for row in drifted))


def _drifted_cells(scope: Scope) -> Source:
    all_cells = cells(scope).subquery()
    return sa.select(all_cells).where(all_cells.c.counted + all_cells.c.pending != all_cells.c.ledger)


def _cell_of(row: Row) -> CellProof:
    return CellProof(
        content=mapping.content_of(row),
        dimension=row["dimension"],
        value=row["value"],
        counted=int(row["counted"]),
        pending=int(row["pending"]),
        ledger=int(row["ledger"]),
    )


async def _add_to_cell(connection: Connection, cell: CellProof, amount: int) -> None:
    """A rollup is corrected in the current quarter of an hour: the one in which it went wrong is not known."""
    key = {"content_type": cell.content.type, "content_id": cell.content.id}
    if cell.dimension == "total":
        t = tables.share_totals
        await connection.run(t.update().where(only_content(cell.content)(t)).values(shares=t.c.shares + amount))
    elif cell.dimension == "rollup":
        channel, evidence = cell.value.rsplit("/", 1)
        now: datetime = (await connection.rows_prepared(_CLOCK, {}))[0]["now"]
        moved = {"made": max(amount, 0), "withdrawn": max(-amount, 0)}
        row = {**key, "channel": channel, "evidence": evidence, "bucket": start_of_quarter_hour(now), **moved}
        sets = {"made": "{t}.made + {made}", "withdrawn": "{t}.withdrawn + {withdrawn}"}
        await connection.upsert(connection.batch(tables.share_rollups, [row]), sets)
    else:
        row = {**key, "dimension": cell.dimension, "value": cell.value, "shares": amount, "last_at": EPOCH}
        sets = {"shares": "{t}.shares + {shares}", "last_at": "{greatest}({t}.last_at, {last_at})"}
        await connection.upsert(connection.batch(tables.share_counts, [row]), sets)
