"""The counter's half of a transaction: take, burn, move, or all three in one go.

Events are locked, waiting, in the order of their ids; totals come before cells and cells before rollups, each
sorted by its key. So two counters meet at the first row that both want and the later one waits there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import RowBatch, Values
from sharetally.adapters.databases.types import db_micros, db_now
from sharetally.domain.activity import MinuteCount, count_by_minute
from sharetally.domain.content import NONE_LABEL, ContentRef
from sharetally.domain.count import EPOCH, CountChange, fold
from sharetally.domain.event import Event
from sharetally.ports import CountedBatch, CountedEvent, Total

CONTENT_KEY = ("content_type", "content_id")
_NOW_AND_MICROS = sa.select(db_now().label("now"), db_micros().label("micros"))

_TOTAL_COLUMNS = (*CONTENT_KEY, "shares", "version", "changed_at")
_CELL_COLUMNS = (*CONTENT_KEY, "dimension", "value", "shares", "last_at")
_ROLLUP_COLUMNS = (*CONTENT_KEY, "channel", "evidence", "bucket", "made", "withdrawn")
_TOTAL_SETS = {
    "shares": "{t}.shares + {shares}",
    "version": "{greatest}({t}.version + 1, {version})",
    "changed_at": "{changed_at}",
}
_CELL_SETS = {"shares": "{t}.shares + {shares}", "last_at": "{greatest}({t}.last_at, {last_at})"}
_ROLLUP_SETS = {"made": "{t}.made + {made}", "withdrawn": "{t}.withdrawn + {withdrawn}"}


class SqlCounting:
    """What a counter does with an open transaction."""

    _connection: Connection

    async def take(self, ids: Sequence[UUID]) -> list[Event]:
        """Lock the events that are still there; waiting, for a skipped one would be stranded."""
        rows = await self._connection.select(tables.events, ("id",), [(each,) for each in set(ids)], lock=True)
        return [mapping.event_of(row) for row in rows if row["parked_reason"] is None]

    async def burn(self, ids: Sequence[UUID]) -> None:
        """Delete what was taken."""
        await self._connection.delete(tables.events, "id", ids)

    async def move(self, changes: Mapping[ContentRef, CountChange]) -> dict[ContentRef, Total]:
        """Totals first: whoever moves the same content next waits there, before its cells."""
        await self._apply_changes(changes)
        return await totals_of(self._connection, list(changes))

    async def _apply_changes(self, changes: Mapping[ContentRef, CountChange]) -> None:
        connection, bind = self._connection, self._connection.bind
        clock = (await connection.rows_prepared(_NOW_AND_MICROS, {}))[0]
        micros, now, epoch = clock["micros"], bind.time(clock["now"]), bind.time(EPOCH)
        totals, cells, rollups = list[Values](), list[Values](), list[Values]()
        for ref, change in sorted(changes.items()):
            if change.delta or change.rollups:
                totals.append((*ref, change.delta, micros, now))
            for (dimension, value), shares in sorted(change.cells.items()):
                if dimension == "platform":
                    last_at = change.last_shared.get(value)
                    cells.append((*ref, dimension, value, shares, bind.time(last_at) if last_at else epoch))
                elif shares:
                    cells.append((*ref, dimension, value, shares, epoch))
            for (channel, evidence, bucket), (made, withdrawn) in sorted(change.rollups.items()):
                if made or withdrawn:
                    rollups.append((*ref, channel, evidence, bind.time(bucket), made, withdrawn))
        await connection.upsert(RowBatch(tables.share_totals, _TOTAL_COLUMNS, totals), _TOTAL_SETS)
        await connection.upsert(RowBatch(tables.share_counts, _CELL_COLUMNS, cells), _CELL_SETS)
        await connection.upsert(RowBatch(tables.share_rollups, _ROLLUP_COLUMNS, rollups), _ROLLUP_SETS)

    async def count(self, ids: Sequence[UUID], jobs: Collection[str], *, each_event: bool = False) -> CountedBatch:
        """In one statement where the database can, else step by step."""
        statement = self._connection.dialect.counting(each_event=each_event)
        if statement is not None:
            return _counted_of(await self._connection.driver.fetch(statement, [ids, sorted(jobs)]))
        events = [event for event in await self.take(ids) if event.job in jobs]
        if not events:
            return CountedBatch()
        await self.burn([event.id for event in events])
        changes = fold(events)
        await self._apply_changes(changes)
        counted = CountedBatch(
            event_counts=Counter(event.job for event in events),
            content_items=changes.keys(),
            minute_counts=count_by_minute(events),
        )
        if not each_event:
            return counted
        totals = await totals_of(self._connection, list(changes))
        return replace(
            counted,
            events=[CountedEvent(event.id, event.job, event.content, event.request_id) for event in events],
            shares={content: total.shares for content, total in totals.items()},
        )


def _counted_of(rows: Sequence[Mapping[str, Any]]) -> CountedBatch:
    """The rows of the one statement: each is a counted event, a job, a content item, or a minute and channel."""
    event_counts: dict[str, int] = {}
    contents: dict[ContentRef, int | None] = {}
    minutes: list[MinuteCount] = []
    events: list[CountedEvent] = []
    for row in rows:
        if row["id"] is not None:
            events.append(CountedEvent(row["id"], row["job"], mapping.content_of(row), row["request_id"]))
        elif row["job"] is not None:
            event_counts[row["job"]] = row["number"]
        elif row["content_type"] is not None:
            contents[mapping.content_of(row)] = row["number"]
        else:
            minutes.append(
                MinuteCount(minute=row["minute"], channel=row["channel"] or NONE_LABEL, shares=row["number"])
            )
    return CountedBatch(
        event_counts=event_counts,
        content_items=contents.keys(),
        minute_counts=tuple(minutes),
        events=tuple(events),
        shares={content: shares for content, shares in contents.items() if shares is not None},
    )


async def totals_of(connection: Connection, contents: Sequence[ContentRef]) -> dict[ContentRef, Total]:
    """The totals of these contents, where there are any."""
    rows = await connection.select(tables.share_totals, CONTENT_KEY, [(ref.type, ref.id) for ref in contents])
    return {
        mapping.content_of(row): Total(shares=row["shares"], version=row["version"], changed_at=row["changed_at"])
        for row in rows
    }
