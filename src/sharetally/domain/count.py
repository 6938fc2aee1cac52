"""Counts: cells, and folding events into one change per content.

Folding is where a batch becomes cheap: five thousand events on one content are one change of one
total. The order of the events does not matter, for +1 and -1 commute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell, Event

BUCKET = timedelta(minutes=15)  # half-hour and 45-minute time zones need it
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_SHOWN_VALUES = 50  # of channels and campaigns; the rest is `other`

CellKey = tuple[str, str]  # dimension, value
RollupKey = tuple[str, str, datetime]  # channel, evidence, bucket


@dataclass(kw_only=True, slots=True)
class CountChange:
    """What a batch does to one content.

    `cells`: (dimension, value) -> shares; `last_shared`: platform -> when last shared;
    `rollups`: (channel, evidence, bucket) -> [made, withdrawn].
    """

    delta: int = 0
    cells: dict[CellKey, int] = field(default_factory=dict)
    last_shared: dict[str, datetime] = field(default_factory=dict)
    rollups: dict[RollupKey, list[int]] = field(default_factory=dict)


def start_of_quarter_hour(at: datetime) -> datetime:
    """The quarter of an hour, in UTC, that a moment belongs to."""
    return at - (at - EPOCH) % BUCKET


def fold(events: Iterable[Event]) -> dict[ContentRef, CountChange]:
    """Fold events into one change per content."""
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
        _apply_platform(change, event, event.platform)
    if event.to is None or event.cell_delta == 0:
        return
    _move(change, event.to, event.cell_delta)
    made = change.rollups.setdefault((event.to.channel, event.to.evidence, start_of_quarter_hour(event.at)), [0, 0])
    if event.origin is not None:
        _move(change, event.origin, -event.cell_delta)
        made[0] += event.cell_delta
        change.rollups.setdefault(
            (event.origin.channel, event.origin.evidence, start_of_quarter_hour(event.at)), [0, 0]
        )[0] -= event.cell_delta
    elif event.cell_delta > 0:
        made[0] += event.cell_delta
    else:
        made[1] -= event.cell_delta


def _apply_platform(change: CountChange, event: Event, platform: str) -> None:
    key = ("platform", platform)
    change.cells[key] = change.cells.get(key, 0) + event.delta
    if event.delta >= 0 and event.at > change.last_shared.get(platform, EPOCH):
        change.last_shared[platform] = event.at


def _move(change: CountChange, cell: Cell, amount: int) -> None:
    cells = change.cells
    for key in (("evidence", cell.evidence), ("channel", cell.channel), ("campaign", cell.campaign)):
        cells[key] = cells.get(key, 0) + amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """The counts of one content as they are shown: never negative, cells at zero left out.

    `version` rises with every change (microseconds of the database's clock, or the next number);
    `as_of` is the time of the last change, None while nothing was ever shared.
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
    """Make the shown count from stored cells (dimension, value, shares)."""
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
    found = dict(ranked[:MAX_SHOWN_VALUES])
    rest = sum(shares for _, shares in ranked[MAX_SHOWN_VALUES:])
    if rest:
        found["other"] = found.get("other", 0) + rest  # somebody's channel may be called just that
    return found
