"""Every sequence of up to five requests: only a live success counts, and the jobs add up to just that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

from sharetally.domain.event import Job
from sharetally.domain.share import Advance, RecordKey, Reply, Request, ShareRecord, Status, advance

KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONGEST = 5
DELTA = {Job.SHARE_CREATED: 1, Job.SHARE_DELETED: -1, Job.SHARE_UPDATED: 0, Job.SHARE_POST: 0, None: 0}


@dataclass(frozen=True)
class Walk:
    """Where a sequence of requests led: the record, the sum of its jobs, and the last step."""

    record: ShareRecord | None = None
    counted: int = 0
    last: Advance | None = None

    def further(self, request: Request) -> Walk:
        step = advance(self.record, request, key=KEY, new_id=UUID(int=1), now=NOW)
        return Walk(record=step.after, counted=self.counted + DELTA[step.step.job], last=step)


def walks() -> Iterator[Walk]:
    """Breadth first: all walks of one step, then all of two, …"""
    reached = [Walk()]
    for _ in range(LONGEST):
        reached = [walk.further(request) for walk, request in product(reached, Request)]
        yield from reached


def live(record: ShareRecord | None) -> bool:
    return record is not None and record.live


def test_every_walk() -> None:
    seen = 0
    for walk in walks():
        seen += 1
        assert live(walk.record) == (walk.record is not None and walk.record.status is Status.SUCCESS)
        assert walk.counted == (1 if live(walk.record) else 0)
        assert_sound(walk)
    assert seen == sum(9**length for length in range(1, LONGEST + 1))


def assert_sound(walk: Walk) -> None:
    """A step that is not done leaves no trace; an update, a move or not, keeps the share live."""
    assert walk.last is not None
    step, before, after = walk.last.step, walk.last.before, walk.last.after
    if step.reply is not Reply.DONE:
        assert after is before
        assert (step.action, step.job) == (None, None)
        return
    assert after is not None
    assert step.action is not None
    assert after.attempt_count >= (before.attempt_count if before else 1)
    if step.job is Job.SHARE_UPDATED:
        assert live(before)
        assert live(after)


def test_every_state_is_reached() -> None:
    reached = {walk.record.status for walk in walks() if walk.record}
    assert reached == set(Status)
