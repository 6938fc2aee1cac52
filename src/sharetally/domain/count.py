"""Counts: cells, and folding events into one change per content item.

Folding makes a batch cheap: five thousand events of one content item become one change of one total. The order of the
events does not matter, because addition is commutative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell, Event

BUCKET = timedelta(minutes=15)  # because some time zones are offset by 30 or 45 minutes
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_SHOWN_VALUES = 50  # of channels and of campaigns; the rest is combined into `other`

CellKey = tuple[str, str]  # dimension, value
RollupKey = tuple[str, str, datetime]  # channel, evidence, bucket


@dataclass(kw_only=True, slots=True)
class CountChange:
    """How a batch changes the counts of one content item.

    `cells`: (dimension, value) -> shares; `last_shared`: platform -> time of the last share;
    `rollups`: (channel, evidence, bucket) -> [made, withdrawn].
    """

    delta: int = 0
    cells: dict[CellKey, int] = field(default_factory=dict)
    last_shared: dict[str, datetime] = field(default_factory=dict)
    rollups: dict[RollupKey, list[int]] = field(default_factory=dict)


def start_of_quarter_hour(at: datetime) -> datetime:
    """The start of the quarter of an hour, in UTC, to which a point in time belongs."""
    return at - (at - EPOCH) % BUCKET


def fold(events: Iterable[Event]) -> dict[ContentRef, CountChange]:
    """Fold events into one change per content item."""
    changes: dict[ContentRef, CountChange] = {}
    for event in events:
        change = changes.get(event.content)
        if change is None:
            change = changes[event.content] = CountChange()
        _apply(change, event)
    return changes


def _apply(change: CountChange, event: Event) -> None:
    change.delta += event.delta
    if event.platform is not None:
        key = ("platform", event.platform)
        change.cells[key] = change.cells.get(key, 0) + event.delta
        if event.delta >= 0 and event.at > change.last_shared.get(event.platform, EPOCH):
            change.last_shared[event.platform] = event.at
    if event.to is None or event.cell_delta == 0:
        return
    bucket = start_of_quarter_hour(event.at)
    _move(change, event.to, event.cell_delta)
    rollup = change.rollups.setdefault((event.to.channel, event.to.evidence, bucket), [0, 0])
    if event.origin is not None:
        _move(change, event.origin, -event.cell_delta)
        rollup[0] += event.cell_delta
        change.rollups.setdefault((event.origin.channel, event.origin.evidence, bucket), [0, 0])[0] -= event.cell_delta
    elif event.cell_delta > 0:
        rollup[0] += event.cell_delta
    else:
        rollup[1] -= event.cell_delta


def _move(change: CountChange, cell: Cell, amount: int) -> None:
    cells = change.cells
    for key in (("evidence", cell.evidence), ("channel", cell.channel), ("campaign", cell.campaign)):
        cells[key] = cells.get(key, 0) + amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """The counts of one content item as they are shown: never negative, without cells that are zero.

    `version` rises with every change (microseconds of the database's clock, or the next integer);
    `as_of` is the time of the last change, or None if the content item was never shared.
    """

    content: ContentRef
    shares: int
    evidence: Mapping[str, int]
    channel: Mapping[str, int]
    campaign: Mapping[str, int]
    version: int
    as_of: datetime | None


def to_count(
    content: ContentRef,
    total: int,
    cells: Iterable[tuple[str, str, int]],
    version: int,
    as_of: datetime | None,
) -> Count:
    """Build the count that is shown from stored cells (dimension, value, shares)."""
    by_dimension: dict[str, dict[str, int]] = {"evidence": {}, "channel": {}, "campaign": {}}
    for dimension, value, shares in cells:
        if shares > 0 and dimension in by_dimension:
            by_dimension[dimension][value or "none"] = shares
    return Count(
        content=content,
        shares=max(total, 0),
        evidence=by_dimension["evidence"],
        channel=_largest(by_dimension["channel"]),
        campaign=_largest(by_dimension["campaign"]),
        version=version,
        as_of=as_of,
    )


def _largest(values: Mapping[str, int]) -> dict[str, int]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    largest = dict(ranked[:MAX_SHOWN_VALUES])
    rest = sum(shares for _, shares in ranked[MAX_SHOWN_VALUES:])
    if rest:
        largest["other"] = largest.get("other", 0) + rest  # a channel may itself be called `other`
    return largest
