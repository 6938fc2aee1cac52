"""Everything that can become of one record: each state that any requests and any counting lead to.

A state is the record, the cells as they are counted, and the events still in flight. From every state each request
may be made, and each event in flight may be burned: so all orders of burning, at all times, are walked through.
Events and their folding are the service's own. What a burned event does not change is left out of a state (how
often, when, ids; events that move no cell), so that few states stand for all histories of a length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

from sharetally.domain.count import CountChange, fold
from sharetally.domain.event import Event
from sharetally.domain.share import RecordKey, ShareRecord, Status, Trigger
from sharetally.flow.share_commands import Ids, apply_trigger
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import LockedRows

KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
IDS = Ids(record=UUID(int=1), audit=UUID(int=2), event=UUID(int=3))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Cells: TypeAlias = tuple[tuple[tuple[str, str], int], ...]  # ((dimension, value), shares), sorted, none at zero
Asking: TypeAlias = tuple[Status | None, Trigger]


@dataclass(frozen=True, kw_only=True)
class State:
    """The record, what is counted, and what is pending: one `Cells` for each event in flight, sorted."""

    record: ShareRecord | None = None
    counted: Cells = ()
    flight: tuple[Cells, ...] = ()

    @property
    def status(self) -> Status | None:
        return self.record.status if self.record else None

    @property
    def live(self) -> Cells:
        """What the ledger says should be counted when nothing is in flight."""
        if self.record is None or self.record.status is not Status.SUCCESS:
            return ()
        evidence, platform = self.record.evidence.value, self.record.platform
        names = ("total", ""), ("evidence", evidence), ("channel", platform), ("campaign", ""), ("platform", platform)
        return cells(dict.fromkeys((*names, ("rollup", f"{platform}/{evidence}")), 1))

    @property
    def promised(self) -> Cells:
        """Counted, and everything that is in flight."""
        return added(self.counted, *self.flight)

    def asked(self, request: Trigger) -> State:
        """After a request."""
        stands = {KEY: self.record} if self.record else {}
        rows = UnitOfWork(LockedRows(responses={}, records=stands, links={}, adjustments={}), NOW)
        after = apply_trigger(rows, KEY, request, IDS, actor="anna", request_id="").after
        flight = sorted((*self.flight, *filter(None, map(effect, rows.take_writes().events))))
        return replace(self, record=after._replace(attempt_count=1) if after else None, flight=tuple(flight))

    def burned(self) -> Iterator[State]:
        """After any one of the events in flight is counted."""
        for event in set(self.flight):
            left = list(self.flight)
            left.remove(event)
            yield replace(self, counted=added(self.counted, event), flight=tuple(left))


@dataclass(frozen=True, kw_only=True)
class Space:
    """All reachable states, the entries of the table that were used on the way, and the successors of each state."""

    follows: dict[State, set[State]] = field(default_factory=dict)
    asked: set[Asking] = field(default_factory=set)


def explore(requests: int) -> Space:
    """Breadth first, by the number of requests; burning is free."""
    space, reached = Space(), _burned({State()})
    for _ in range(requests):
        reached = _burned(_asked(space, reached))
    for state in reached:
        space.follows.setdefault(state, set()).update(state.burned())
    return space


def _asked(space: Space, reached: Iterable[State]) -> set[State]:
    for state in set(reached) - space.follows.keys():
        space.asked.update((state.status, request) for request in Trigger)
        space.follows[state] = {state.asked(request) for request in Trigger} | set(state.burned())
    return {after for state in reached for after in space.follows[state]}


def _burned(reached: set[State]) -> set[State]:
    """With whatever counting makes of them."""
    found, newest = set(reached), set(reached)
    while newest := {after for state in newest for after in state.burned()} - found:
        found |= newest
    return found


def cells(shares: Mapping[tuple[str, str], int]) -> Cells:
    return tuple(sorted((name, number) for name, number in shares.items() if number))


def added(*parts: Cells) -> Cells:
    sums: Counter[tuple[str, str]] = Counter()
    for part in parts:
        for name, number in part:
            sums[name] += number
    return cells(sums)


def effect(event: Event) -> Cells:
    """What counting it does to the total, to each cell, and to each rollup over all its times."""
    change = fold([event]).get(event.content, CountChange())
    rollups = {
        ("rollup", f"{channel}/{evidence}"): made - withdrawn
        for (channel, evidence, _), (made, withdrawn) in change.rollups.items()
    }
    return cells({("total", ""): change.delta, **change.cells, **rollups})
