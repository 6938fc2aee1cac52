"""The machine: a user, three platforms and any number of workers do anything in any order.

After each step the record says what the timelines and the user say, no post is anywhere twice, and the count is the
number of live records.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Evidence, Status
from tests.rules.machine import ROUND, SLOW
from tests.rules.posting.attempt import POINTS, RunningAttempt
from tests.rules.posting.fake_timelines import DELETING, PUBLISHING
from tests.rules.posting.harness import PLATFORMS, PostingHarness
from tests.rules.posting.model import Share

STEPS = 50
SENT = ("stored", "in flight", "accepted")  # who stops here may have posted, as far as others know
GONE = (PostStatus.PENDING, PostStatus.FAILED, PostStatus.CANCELLED)
platforms = st.sampled_from(sorted(PLATFORMS))
picks = st.integers(0, 9)


class PostingMachine(RuleBasedStateMachine):
    """`template` is set before the machine runs. `excused` are posts about which nobody can tell the truth any more."""

    template: ClassVar[Path]
    ended: ClassVar[int] = 0
    posted: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.harness = PostingHarness(self.template, self.template.parent)
        self.shares = {platform: Share() for platform in PLATFORMS}
        self.excused: set[UUID] = set()
        self.posts: Sequence[Post] = ()

    def newest(self, platform: str) -> Post | None:
        """The newest post of the share there."""
        mine = [post for post in self.posts if post.key.platform == platform]
        return max(mine, key=lambda post: post.number, default=None)

    def expected(self, platform: str) -> Collection[str]:
        return self.shares[platform].statuses(self.newest(platform))

    # the user

    @initialize()
    def connect_and_post_everywhere(self) -> None:
        for platform in PLATFORMS:
            self.harness.connect(platform)
            self.records_tell_the_truth()
            self._post(platform, force=False, hours=0)

    @rule(platform=platforms, does=st.sampled_from(["share", "force", "withdraw", "delete", "retry"]))
    def share(self, platform: str, does: str) -> None:
        match does:
            case "share" | "force":
                assert self.harness.share(platform, post=False, force=does == "force") == ""
                self.shares[platform].declare(self.expected(platform))
            case "withdraw" | "delete":
                is_there = bool({"success", "pending", "unknown"} & set(self.expected(platform)))
                answer = self.harness.withdraw(platform, delete_post=does == "delete")
                assert answer == ("" if is_there else "not-found")
                if is_there:
                    self.shares[platform].withdraw()
            case "retry":
                record = self.harness.records().get(platform)
                can_retry = record is not None and record.status in (Status.FAILED, Status.UNKNOWN)
                assert self.harness.retry(platform) == ("" if can_retry else "conflict" if record else "not-found")

    @rule(platform=platforms, force=st.booleans(), hours=st.sampled_from([0, 0, 2]))
    def post(self, platform: str, force: bool, hours: int) -> None:
        self._post(platform, force=force, hours=hours)

    def _post(self, platform: str, *, force: bool, hours: int) -> None:
        newest, record = self.newest(platform), self.harness.records().get(platform)
        at = self.harness.clock.now() + timedelta(hours=hours) if hours else None
        answer = self.harness.share(platform, post=True, force=force, at=at)
        if not self.harness.can_post(platform):
            assert answer == "invalid-request"
        elif newest is not None and newest.open:
            assert answer == ("conflict" if newest.cancel_requested else "")
        else:
            assert answer == ""
            was_posted = record is not None and record.live and record.evidence is Evidence.POSTED
            self.shares[platform].post(had_posted=was_posted and not force)

    @rule(platform=platforms, posted=st.booleans(), is_right=st.sampled_from([True, True, False]))
    def decide(self, platform: str, posted: bool, is_right: bool) -> None:
        newest, record = self.newest(platform), self.harness.records().get(platform)
        if newest is None or record is None:
            return
        is_there = newest.id in self.harness.timelines[platform].there.values()
        says = is_there if is_right else posted
        assert self.harness.decide(record.id, posted=says) == (
            "" if newest.status is PostStatus.UNKNOWN else "conflict"
        )
        if newest.status is PostStatus.UNKNOWN and says != is_there:
            self.excused.add(newest.id)

    # the platforms

    @rule(platform=platforms, does=st.sampled_from(["connect", "revoke", "lose refresh", "look fails", *DELETING]))
    def platform_does(self, platform: str, does: str) -> None:
        timeline = self.harness.timelines[platform]
        match does:
            case "connect":
                self.harness.connect(platform)
            case "revoke":
                timeline.grants.end_grants()
            case "lose refresh":
                timeline.grants.lose_reply = True
            case "look fails":
                timeline.next_look_fails = True
            case _:
                timeline.next_delete = does

    # time and the workers

    @rule(minutes=st.sampled_from([1, 20, 59, 180, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.harness.clock.move(minutes=minutes)

    @rule(
        does=st.sampled_from(["", "", "", *PUBLISHING]),
        stop_at=st.sampled_from(["", "", *POINTS]),
        down=st.sampled_from([False, False, False, True]),
    )
    def work(self, does: str, stop_at: str, down: bool) -> None:
        for timeline in self.harness.timelines.values():
            timeline.next_publish, timeline.grants.down = does, down
        self.harness.work(stop_at)
        for timeline in self.harness.timelines.values():
            timeline.next_publish, timeline.grants.down, timeline.grants.lose_reply = "", False, False

    @rule()
    def all_work(self) -> None:
        while self.harness.work():
            self.records_tell_the_truth()

    @rule(pick=picks, does=st.sampled_from(["go on", "kill", "lose lease"]))
    def worker(self, pick: int, does: str) -> None:
        if not self.harness.running:
            return
        attempt = self.harness.running[pick % len(self.harness.running)]
        match does:
            case "go on":
                self.harness.go_on(attempt)
            case "kill":
                self._kill(attempt)
            case "lose lease":
                self._lose_lease(attempt)

    @rule(stop_at=st.sampled_from(["looked", "stored", "in flight"]))
    def one_wakes_up_late(self, stop_at: str) -> None:
        """A worker is paused, the others take over and do what they can, and then it goes on."""
        before = set(self.harness.running)
        self.harness.work(stop_at)
        for attempt in set(self.harness.running) - before:
            self._lose_lease(attempt)
            self.all_work()
            self.harness.go_on(attempt)

    def _lose_lease(self, attempt: RunningAttempt) -> None:
        if attempt.stale:
            return
        self._note_unclear(attempt)
        if attempt.at == "in flight":
            self.excused.add(attempt.post)  # it may arrive after others have looked
        self.harness.lose_lease(attempt)

    def _kill(self, attempt: RunningAttempt) -> None:
        self._note_unclear(attempt)
        self.harness.kill(attempt)

    def _note_unclear(self, attempt: RunningAttempt) -> None:
        if attempt.passed in SENT:
            self.harness.timelines[attempt.platform].unclear.add(attempt.post)

    # what holds after each step

    @invariant()
    def records_tell_the_truth(self) -> None:
        self.posts = self.harness.posts()
        records = self.harness.records()
        for platform, share in self.shares.items():
            newest, record = self.newest(platform), records.get(platform)
            share.observe(newest)
            status = set() if record is None else {str(record.status)}
            assert status <= set(self.expected(platform)), (platform, share, newest, record)
            assert bool(status) == bool(self.expected(platform)), (platform, share, newest)
            mine = [post for post in self.posts if post.key.platform == platform]
            assert sum(post.open for post in mine) <= 1
            if record is not None and record.live and record.evidence is Evidence.POSTED:
                assert any(post.status is PostStatus.SUCCESS for post in mine), (platform, mine, record)
            for post in mine:
                self._check_post(platform, post)
            timeline = self.harness.timelines[platform]
            assert timeline.faults == [], platform
            about_to_send = {each.post for each in self.harness.running if each.at == "stored" and not each.stale}
            timeline.closed = {
                post.id for post in mine if not post.open or (post.cancel_requested and post.id not in about_to_send)
            }

    def _check_post(self, platform: str, post: Post) -> None:
        timeline = self.harness.timelines[platform]
        assert timeline.copies[post.id] <= 1, f"{post.id} was posted {timeline.copies[post.id]} times"
        if post.id in self.excused:
            return
        is_there = post.id in timeline.there.values()
        if post.status is PostStatus.SUCCESS:
            assert is_there or post.cancel_requested, (post, "is a success and not there")
            assert not post.cancel_requested or not post.open
        elif post.status in GONE:
            late = any(each.post == post.id and each.passed in SENT for each in self.harness.running)
            assert late or not is_there, (post, "is there")
        elif post.status is PostStatus.UNKNOWN:
            assert post.id in timeline.unclear, (post, "could be known")

    @invariant()
    def the_count_is_the_number_of_live_records(self) -> None:
        live = sum(record.live for record in self.harness.records().values())
        assert self.harness.counted() == (live, 0)

    # the end

    def teardown(self) -> None:
        """When everything works again, every post that can be looked up is settled, and everything is counted."""
        try:
            if sys.exc_info()[0] is None:
                self.settle()
                type(self).ended += 1
                type(self).posted += sum(sum(each.copies.values()) for each in self.harness.timelines.values())
        finally:
            self.harness.close()

    def settle(self) -> None:
        """Let everything come to its end, and check that."""
        for attempt in list(self.harness.running):
            self._kill(attempt)
        for timeline in self.harness.timelines.values():
            timeline.next_publish = timeline.next_delete = ""
            timeline.next_look_fails = timeline.grants.lose_reply = False
        for platform, record in self.harness.records().items():
            if record.status is Status.UNKNOWN:  # its looks may have ended, and this asks for one more
                assert self.harness.retry(platform) == ""
        day_ago = self.harness.clock.now() - timedelta(hours=24)
        given_up = {
            post.id for post in self.posts if post.cancel_requested and (post.attempted_at or day_ago) < day_ago
        }
        for _ in range(100):
            while self.harness.work():
                self.records_tell_the_truth()
            if not self.harness.waiting():
                break
            self.harness.clock.move(hours=3)
        self.records_tell_the_truth()
        assert self.harness.waiting() == 0, "something is tried for ever"
        assert self.harness.dead() == 0
        for post in self.posts:
            platform = post.key.platform
            can_look = self.harness.timelines[platform].can_be_looked_up and self.harness.can_post(platform)
            may_stay = post.status is PostStatus.UNKNOWN and (not can_look or post.id in given_up)
            assert not post.open or may_stay, (post, "is never settled")
            assert post.status is not PostStatus.SUCCESS or not post.cancel_requested, (post, "is never deleted")
        self.harness.count()
        self.the_count_is_the_number_of_live_records()


def run(template: Path, seeds: Iterable[int], *, shorten: bool = False) -> type[PostingMachine]:
    """One round for each seed, on copies of this empty database.

    Returns the machine, which knows how many runs ended and how much was posted.
    """
    machine: type[PostingMachine] = type("Machine", (PostingMachine,), {"template": template, "ended": 0, "posted": 0})
    for number in seeds:
        try:
            run_state_machine_as_test(
                seed(number)(machine),
                settings=settings(
                    max_examples=ROUND,
                    stateful_step_count=STEPS,
                    database=None,
                    deadline=None,
                    report_multiple_bugs=False,
                    phases=[Phase.generate, Phase.shrink] if shorten else [Phase.generate],
                    suppress_health_check=SLOW,
                ),
            )
        except BaseException as error:
            error.add_note(f"seed {number}")
            raise
    return machine
