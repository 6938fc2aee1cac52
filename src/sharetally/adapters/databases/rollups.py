"""Shares over time: the rollups of the counting transaction, summed by the buckets of a time zone.

Which bucket a quarter of an hour belongs to is a division within each stretch of constant offset (see
`domain/calendar`), so the database sums and sends no more than one row for each bucket and group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.contents import details_of
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import local_number
from sharetally.domain.calendar import Grid, Stretch
from sharetally.ports import Group, RollupFilter, RollupSum, TopContent

_R = tables.share_rollups
_MADE: sa.ColumnElement[Any] = sa.func.sum(_R.c.made)
_WITHDRAWN: sa.ColumnElement[Any] = sa.func.sum(_R.c.withdrawn)
_MOVES = sa.or_(_MADE != 0, _WITHDRAWN != 0)
_ALL: sa.ColumnElement[Any] = sa.null()


class SqlRollups:
    """Rollups, summed."""

    _engine: Engine

    async def over_time(self, which: RollupFilter, cut: Grid, by: Group | None, *, at_most: int) -> list[RollupSum]:
        """Sums by bucket and group."""
        async with self._engine.snapshot() as connection:
            name = _R.c[by.value] if by is not None else None
            if name is not None:
                name = _told_apart(name, await _largest(connection, which, name, at_most + 1), at_most)
            parts = [_sums(place, stretch, cut.size, which, name) for place, stretch in enumerate(cut.stretches)]
            rows = await connection.rows(sa.union_all(*parts)) if parts else []
        return [
            RollupSum(
                stretch=int(row["stretch"]),
                number=int(row["number"]),
                name=row["name"],
                made=int(row["made"]),
                withdrawn=int(row["withdrawn"]),
            )
            for row in rows
        ]

    async def top(self, which: RollupFilter, *, limit: int) -> list[TopContent]:
        """Contents by made - withdrawn."""
        keys = (_R.c.content_type, _R.c.content_id)
        sums = (_MADE.label("made"), _WITHDRAWN.label("withdrawn"))
        statement = sa.select(*keys, *sums).where(*_wanted(which)).group_by(*keys).having(_MOVES)
        order = ((_MADE - _WITHDRAWN).desc(), _MADE.desc(), *keys)
        async with self._engine.snapshot() as connection:
            rows = await connection.rows(statement.order_by(*order).limit(limit))
            found = await details_of(connection, [mapping.content_of(row) for row in rows])
        return [
            TopContent(details=details, made=int(row["made"]), withdrawn=int(row["withdrawn"]))
            for row, details in zip(rows, found, strict=True)
        ]


async def _largest(connection: Connection, which: RollupFilter, name: Any, limit: int) -> list[str]:
    statement = sa.select(name.label("name")).where(*_wanted(which)).group_by(name)
    rows = await connection.rows(statement.order_by(_MADE.desc(), name).limit(limit))
    return [row["name"] for row in rows]


def _told_apart(name: Any, largest: Sequence[str], at_most: int) -> Any:
    if len(largest) <= at_most:
        return name
    return sa.case((name.in_(largest[:at_most]), name), else_=_ALL)


def _sums(place: int, stretch: Stretch, size: int, which: RollupFilter, name: Any) -> sa.Select[Any]:
    """One stretch; the columns of all of them are told apart by the first."""
    number = local_number(_R.c.bucket, sa.literal(stretch.offset), sa.literal(size))
    shown = _ALL if name is None else name
    inner = sa.select(number.label("number"), shown.label("name"), _R.c.made, _R.c.withdrawn).where(
        *_wanted(which), _R.c.bucket >= stretch.start, _R.c.bucket < stretch.end
    )
    r = inner.subquery()
    made, withdrawn = sa.func.sum(r.c.made), sa.func.sum(r.c.withdrawn)
    columns: tuple[Any, ...] = (sa.literal_column(str(place)).label("stretch"), r.c.number, r.c.name)
    return (
        sa.select(*columns, made.label("made"), withdrawn.label("withdrawn"))
        .group_by(r.c.number, r.c.name)
        .having(sa.or_(made != 0, withdrawn != 0))
    )


def _wanted(which: RollupFilter) -> list[Any]:
    values = (
        (_R.c.content_type, which.content_type),
        (_R.c.content_id, which.content_id),
        (_R.c.channel, which.channel),
    )
    equal = [column == value for column, value in values if value is not None]
    return [*equal, _R.c.bucket >= which.start, _R.c.bucket < which.end]
