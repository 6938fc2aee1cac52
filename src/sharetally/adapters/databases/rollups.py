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
from sharetally.adapters.databases.content_items import details_of
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import local_bucket
from sharetally.domain.calendar import Grid, OffsetPeriod
from sharetally.ports import GroupBy, RollupFilter, RollupSum, TopContent

_ROLLUPS = tables.share_rollups
_MADE: sa.ColumnElement[Any] = sa.func.sum(_ROLLUPS.c.made)
_WITHDRAWN: sa.ColumnElement[Any] = sa.func.sum(_ROLLUPS.c.withdrawn)
_NOT_ZERO = sa.or_(_MADE != 0, _WITHDRAWN != 0)
_OTHER_GROUPS: sa.ColumnElement[Any] = sa.null()


class SqlRollups:
    """Rollups, summed."""

    _engine: Engine

    async def over_time(
        self, criteria: RollupFilter, grid: Grid, by: GroupBy | None, *, at_most: int
    ) -> list[RollupSum]:
        """Sums by bucket and group."""
        async with self._engine.snapshot() as connection:
            name = _ROLLUPS.c[by.value] if by is not None else None
            if name is not None:
                name = _largest_groups(name, await _largest(connection, criteria, name, at_most + 1), at_most)
            statements = [
                _period_sums(index, period, grid.size, criteria, name) for index, period in enumerate(grid.periods)
            ]
            rows = await connection.rows(sa.union_all(*statements)) if statements else []
        return [
            RollupSum(
                period=int(row["stretch"]),
                bucket_number=int(row["number"]),
                name=row["name"],
                made=int(row["made"]),
                withdrawn=int(row["withdrawn"]),
            )
            for row in rows
        ]

    async def top(self, criteria: RollupFilter, *, limit: int) -> list[TopContent]:
        """Contents by made - withdrawn."""
        keys = (_ROLLUPS.c.content_type, _ROLLUPS.c.content_id)
        sums = (_MADE.label("made"), _WITHDRAWN.label("withdrawn"))
        statement = sa.select(*keys, *sums).where(*_conditions(criteria)).group_by(*keys).having(_NOT_ZERO)
        order = ((_MADE - _WITHDRAWN).desc(), _MADE.desc(), *keys)
        async with self._engine.snapshot() as connection:
            rows = await connection.rows(statement.order_by(*order).limit(limit))
            details_rows = await details_of(connection, [mapping.content_of(row) for row in rows])
        return [
            TopContent(details=details, made=int(row["made"]), withdrawn=int(row["withdrawn"]))
            for row, details in zip(rows, details_rows, strict=True)
        ]


async def _largest(connection: Connection, criteria: RollupFilter, name: Any, limit: int) -> list[str]:
    statement = sa.select(name.label("name")).where(*_conditions(criteria)).group_by(name)
    rows = await connection.rows(statement.order_by(_MADE.desc(), name).limit(limit))
    return [row["name"] for row in rows]


def _largest_groups(name: Any, largest: Sequence[str], at_most: int) -> Any:
    if len(largest) <= at_most:
        return name
    return sa.case((name.in_(largest[:at_most]), name), else_=_OTHER_GROUPS)


def _period_sums(index: int, period: OffsetPeriod, size: int, criteria: RollupFilter, name: Any) -> sa.Select[Any]:
    """One stretch; the columns of all of them are told apart by the first."""
    local_bucket_number = local_bucket(_ROLLUPS.c.bucket, sa.literal(period.offset), sa.literal(size))
    group_name = _OTHER_GROUPS if name is None else name
    source = sa.select(
        local_bucket_number.label("number"), group_name.label("name"), _ROLLUPS.c.made, _ROLLUPS.c.withdrawn
    ).where(*_conditions(criteria), _ROLLUPS.c.bucket >= period.start, _ROLLUPS.c.bucket < period.end)
    r = source.subquery()
    made, withdrawn = sa.func.sum(r.c.made), sa.func.sum(r.c.withdrawn)
    columns: tuple[Any, ...] = (sa.literal_column(str(index)).label("stretch"), r.c.number, r.c.name)
    return (
        sa.select(*columns, made.label("made"), withdrawn.label("withdrawn"))
        .group_by(r.c.number, r.c.name)
        .having(sa.or_(made != 0, withdrawn != 0))
    )


def _conditions(criteria: RollupFilter) -> list[Any]:
    values = (
        (_ROLLUPS.c.content_type, criteria.content_type),
        (_ROLLUPS.c.content_id, criteria.content_id),
        (_ROLLUPS.c.channel, criteria.channel),
    )
    conditions = [column == value for column, value in values if value is not None]
    return [*conditions, _ROLLUPS.c.bucket >= criteria.start, _ROLLUPS.c.bucket < criteria.end]
