"""Shares over time: the rollups that the counting transaction moves, summed by the buckets of a time zone.

Within a period of constant offset from UTC, the bucket of a quarter of an hour is a division (see `domain/calendar`),
so the database sums, and sends at most one row per bucket and group.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.content_items import details_of
from sharetally.adapters.databases.types import local_bucket
from sharetally.domain.calendar import Grid, OffsetPeriod
from sharetally.ports import AnalyticsStore, GroupBy, RollupFilter, RollupSum, TopContent

_ROLLUPS = tables.share_rollups
_MADE: sa.ColumnElement[Any] = sa.func.sum(_ROLLUPS.c.made)
_WITHDRAWN: sa.ColumnElement[Any] = sa.func.sum(_ROLLUPS.c.withdrawn)
_NOT_ZERO = sa.or_(_MADE != 0, _WITHDRAWN != 0)
_OTHER_GROUPS: sa.ColumnElement[Any] = sa.null()


class SqlAnalyticsStore(AnalyticsStore):
    """Reads `share_rollups`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def over_time(
        self, criteria: RollupFilter, grid: Grid, by: GroupBy | None, *, at_most: int
    ) -> list[RollupSum]:
        """Find the largest groups, then sum each period with a statement of its own, all in one snapshot."""
        async with self._engine.snapshot() as connection:
            name: Any = _OTHER_GROUPS
            if by is not None:
                name = _ROLLUPS.c[by.value]
                groups = sa.select(name.label("name")).where(*_conditions(criteria)).group_by(name)
                largest = await connection.rows(groups.order_by(_MADE.desc(), name).limit(at_most + 1))
                if len(largest) > at_most:  # NULL in place of all but these
                    name = sa.case((name.in_([row["name"] for row in largest[:at_most]]), name), else_=_OTHER_GROUPS)
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
        """Sum by content item, and read the details of those that are returned."""
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


def _period_sums(index: int, period: OffsetPeriod, size: int, criteria: RollupFilter, name: Any) -> sa.Select[Any]:
    """The sums of one period; the first column says which period it is."""
    local_bucket_number = local_bucket(_ROLLUPS.c.bucket, sa.literal(period.offset), sa.literal(size))
    source = sa.select(
        local_bucket_number.label("number"), name.label("name"), _ROLLUPS.c.made, _ROLLUPS.c.withdrawn
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
