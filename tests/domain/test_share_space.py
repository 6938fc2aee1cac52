"""All states of one record: only a live success counts, whatever the triggers and the order of counting.

The planted faults show that the exploration would find a table that counts wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pytest

from sharetally.domain import share
from sharetally.domain.event import Job
from sharetally.domain.share import TABLE, Evidence, Reply, Status, Transition, Trigger
from tests.domain import share_space
from tests.domain.share_space import Space, State, explore

LONGEST = 12  # requests
SHORT = 4  # enough for any single fault of the table
TOTAL = ("total", "")
MOVES: Mapping[Job | None, int] = {Job.SHARE_CREATED: 1, Job.SHARE_DELETED: -1}


@pytest.fixture(scope="module")
def space() -> Space:
    return explore(LONGEST)


def wrong(states: Iterable[State]) -> Iterator[State]:
    """States whose count, including all events in flight, differs from what is live, cell by cell."""
    return (state for state in states if state.promised != state.live)


def test_counted_plus_in_flight_equals_live(space: Space) -> None:
    assert next(wrong(space.follows), None) is None


def test_when_nothing_is_in_flight_the_count_equals_live(space: Space) -> None:
    settled = [state for state in space.follows if not state.flight]
    assert settled
    assert all(state.counted == state.live for state in settled)


def test_every_cell_of_the_table_was_tested(space: Space) -> None:
    assert space.asked == set(TABLE)


def test_every_status_is_reached_with_the_evidence_it_may_rest_on(space: Space) -> None:
    """A record that waits for its post has the evidence `posted`; one that is or was live may have either."""
    on_posting = {Status.PENDING, Status.SENDING, Status.FAILED, Status.UNKNOWN}
    on_either = {Status.SUCCESS, Status.WITHDRAWN}
    found = {(state.record.status, state.record.evidence) for state in space.follows if state.record}
    assert found == {(status, Evidence.POSTED) for status in on_posting} | {
        (status, evidence) for status in on_either for evidence in (Evidence.DECLARED, Evidence.POSTED)
    }


def test_a_visitor_declares_nothing_and_is_counted_as_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_space, "KEY", share_space.KEY._replace(user_id="visitor:x"))
    visited = explore(SHORT)
    assert next(wrong(visited.follows), None) is None
    live = {state.record.evidence for state in visited.follows if state.record and state.record.live}
    assert live == {Evidence.ANONYMOUS, Evidence.POSTED}


@pytest.mark.parametrize("status", Status)
def test_from_every_state_one_gets_to_every_status(space: Space, status: Status) -> None:
    """So no state is a dead end. Checked without events in flight, because counting never prevents a trigger."""
    reaching = {state for state in space.follows if state.status is status}
    while more := {state for state, after in space.follows.items() if after & reaching} - reaching:
        reaching |= more
    young = explore(SHORT).follows
    assert young.keys() <= reaching


def test_orders_that_no_queue_would_choose_are_among_them(space: Space) -> None:
    """A withdrawal that is counted before its share makes the count negative for a while, and events pile up."""
    totals = {dict(state.counted).get(TOTAL, 0) for state in space.follows}
    assert min(totals) < 0
    assert max(totals) > 1
    assert max(len(state.flight) for state in space.follows) == LONGEST


def faults() -> Iterator[tuple[Status | None, Trigger, Transition]]:
    """Each transition of the table with every wrong job, or without a job where one is due."""
    for (state, request), step in TABLE.items():
        if step.reply is not Reply.DONE:
            continue
        for job in (Job.SHARE_CREATED, Job.SHARE_DELETED, Job.SHARE_UPDATED, None):
            if MOVES.get(job, 0) != MOVES.get(step.job, 0):
                yield state, request, replace(step, job=job)
    yield Status.SUCCESS, Trigger.CONFIRM, replace(TABLE[Status.SUCCESS, Trigger.CONFIRM], job=None)


@pytest.mark.parametrize(("state", "request_", "fault"), list(faults()))
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, state: Status | None, request_: Trigger, fault: Transition
) -> None:
    monkeypatch.setattr(share, "TABLE", {**TABLE, (state, request_): fault})
    assert next(wrong(explore(SHORT).follows), None) is not None
