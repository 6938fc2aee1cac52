"""Counts as they are read, without a lock.

An exact count is one statement that sums stored cells and pending events. Two statements would see an event that is
being counted neither as pending nor as counted, or as both. The statements for a single content item, which are needed
most often, are compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.cells import cells
from sharetally.adapters.databases.stores.content_scopes import Scope, any_of, bound_content
from sharetally.domain.content import ContentRef
from sharetally.domain.count import EPOCH, Count, to_count
from sharetally.ports import CountStore, PlatformStatus

_PUBLIC_DIMENSIONS = ("evidence", "channel", "campaign")


def _select_stored(scope: Scope) -> sa.Select[Any]:
    t, c = tables.share_totals, tables.share_counts
    joined = sa.and_(_same_content(c, t), c.c.dimension.in_(_PUBLIC_DIMENSIONS))
    columns = (*t.c, c.c.dimension, c.c.value, c.c.shares.label("cell"))
    return sa.select(*columns).select_from(t.outerjoin(c, joined)).where(scope(t))


def _select_exact(scope: Scope) -> sa.Select[Any]:
    t, e = tables.share_totals, tables.events
    found = cells(scope, ledger=False).subquery()
    pending = sa.select(e.c.content_type, e.c.content_id, sa.func.max(e.c.at).label("at")).where(scope(e))
    last = pending.group_by(e.c.content_type, e.c.content_id).subquery()
    joined = found.outerjoin(t, _same_content(found, t)).outerjoin(last, _same_content(found, last))
    return sa.select(found, t.c.version, t.c.changed_at, last.c.at).select_from(joined)


def _same_content(left: Any, right: Any) -> Any:
    return sa.and_(left.c.content_type == right.c.content_type, left.c.content_id == right.c.content_id)


_STORED = _select_stored(bound_content)
_EXACT = _select_exact(bound_content)
_CELLS, _EVENTS = tables.share_counts, tables.events
_BY_PLATFORM = sa.union_all(
    sa.select(_CELLS.c.value.label("platform"), _CELLS.c.shares, _CELLS.c.last_at).where(
        bound_content(_CELLS), _CELLS.c.dimension == "platform"
    ),
    sa.select(
        _EVENTS.c.platform, sa.func.sum(_EVENTS.c.delta), sa.func.max(sa.case((_EVENTS.c.delta >= 0, _EVENTS.c.at)))
    )
    .where(bound_content(_EVENTS), _EVENTS.c.platform.is_not(None))
    .group_by(_EVENTS.c.platform),
)


class SqlCountStore(CountStore):
    """Reads `share_totals`, `share_counts` and, for exact counts, `events`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def stored(self, contents: Sequence[ContentRef]) -> list[Count]:
        """Read totals with their cells."""
        found = await self._rows_by_content(contents, _STORED, _select_stored)
        counts: list[Count] = []
        for content in contents:
            if rows := found.get(content):
                stored_cells = [(row["dimension"], row["value"], row["cell"]) for row in rows if row["dimension"]]
                first = rows[0]
                counts.append(to_count(content, first["shares"], stored_cells, first["version"], first["changed_at"]))
            else:
                counts.append(to_count(content, 0, (), 0, None))
        return counts

    async def exact(self, contents: Sequence[ContentRef]) -> list[Count]:
        """Read cells with the pending events summed in."""
        found = await self._rows_by_content(contents, _EXACT, _select_exact)
        counts: list[Count] = []
        for content in contents:
            if rows := found.get(content):
                sums = [(row["dimension"], row["value"], int(row["counted"]) + int(row["pending"])) for row in rows]
                total = next((shares for dimension, _, shares in sums if dimension == "total"), 0)
                times = [at for at in (rows[0]["changed_at"], rows[0]["at"]) if at is not None]
                counts.append(to_count(content, total, sums, rows[0]["version"] or 0, max(times, default=None)))
            else:
                counts.append(to_count(content, 0, (), 0, None))
        return counts

    async def by_platform(self, content: ContentRef) -> Mapping[str, PlatformStatus]:
        """Read at most two rows per platform, the stored cell and the sum of pending events, and add them."""
        parameters = {"content_type": content.type, "content_id": content.id}
        async with self._engine.read_connection() as connection:
            rows = await connection.rows_prepared(_BY_PLATFORM, parameters)
        found: dict[str, PlatformStatus] = {}
        for row in rows:
            earlier = found.get(row["platform"])
            shares = int(row["shares"]) + (earlier.shares if earlier else 0)
            times = [at for at in (row["last_at"], earlier.last_shared_at if earlier else None) if at and at > EPOCH]
            found[row["platform"]] = PlatformStatus(shares=shares, last_shared_at=max(times, default=None))
        return found

    async def _rows_by_content(
        self, contents: Sequence[ContentRef], prepared: sa.SelectBase, select: Callable[[Scope], sa.SelectBase]
    ) -> Mapping[ContentRef, Sequence[Row]]:
        if not contents:
            return {}
        async with self._engine.read_connection() as connection:
            if len(contents) == 1:
                parameters = {"content_type": contents[0].type, "content_id": contents[0].id}
                rows = await connection.rows_prepared(prepared, parameters)
            else:
                rows = await connection.rows(select(any_of(list(contents))))
        found: dict[ContentRef, list[Row]] = {}
        for row in rows:
            found.setdefault(mapping.content_of(row), []).append(row)
        return found
