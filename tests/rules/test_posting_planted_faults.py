"""The machine of posts finds what it is there to find: a fault that is planted into posting ends a run.

The steps are given here, so that the runs are short; a correct service passes the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from sharetally.adapters.migrations.runner import upgrade
from sharetally.domain.delivery import Delivery, Outcome
from sharetally.domain.post import Post, PostStatus
from sharetally.flow.delivery.handler import Lease
from sharetally.flow.posting.handler import PostHandler
from tests.rules.posting.harness import PLATFORMS
from tests.rules.posting.machine import PostingMachine

Plant = Callable[[pytest.MonkeyPatch], None]
Steps = Callable[[PostingMachine], None]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at its head."""
    path = tmp_path_factory.mktemp("posting") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


def sent_before_the_attempt_is_stored(patch: pytest.MonkeyPatch) -> None:
    async def forget(
        handler: PostHandler, post: Post, prepared: Mapping[str, str], delivery: Delivery, lease: Lease
    ) -> Post:
        return post._replace(prepared=dict(prepared), attempted_at=handler._clock.now())

    patch.setattr(PostHandler, "_store_attempt", forget)


def repeated_where_nothing_drops_repetitions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PostHandler, "_may_repeat", lambda handler, publisher, post: True)


def a_worker_that_was_paused_sends(patch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class NeverStale:
        worker: UUID
        stale: bool = False

    deliver = PostHandler.deliver

    async def never_stale(handler: PostHandler, delivery: Delivery, lease: Lease) -> Outcome:
        return await deliver(handler, delivery, NeverStale(lease.worker))

    patch.setattr(PostHandler, "deliver", never_stale)


def each_worker_dies_after_it_has_posted(machine: PostingMachine) -> None:
    for _ in PLATFORMS:
        machine.work("", "accepted", False)
        machine.worker(0, "kill")
        machine.records_tell_the_truth()
        machine.all_work()


def each_worker_wakes_up_late(stop_at: str) -> Steps:
    def steps(machine: PostingMachine) -> None:
        for _ in PLATFORMS:
            machine.work("", stop_at, False)
        for number in range(len(PLATFORMS)):
            machine.worker(number, "lose lease")
        machine.all_work()
        for _ in PLATFORMS:
            machine.worker(0, "go on")
            machine.records_tell_the_truth()

    return steps


CASES: dict[str, tuple[Plant, Steps]] = {
    "sent before the attempt is stored": (sent_before_the_attempt_is_stored, each_worker_dies_after_it_has_posted),
    "repeated where nothing drops repetitions": (
        repeated_where_nothing_drops_repetitions,
        each_worker_wakes_up_late("in flight"),
    ),
    "a worker that was paused sends": (a_worker_that_was_paused_sends, each_worker_wakes_up_late("stored")),
}


def perform(template: Path, steps: Steps) -> PostingMachine:
    """A run of these steps, checked to the end."""
    kind: type[PostingMachine] = type("Machine", (PostingMachine,), {"template": template})
    machine = kind()
    try:
        machine.connect_and_post_everywhere()
        machine.records_tell_the_truth()
        steps(machine)
        machine.settle()
    finally:
        machine.harness.close()
    return machine


@pytest.mark.parametrize("fault", CASES)
def test_a_planted_fault_ends_the_run(template: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    plant, steps = CASES[fault]
    perform(template, steps)
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        perform(template, steps)


def test_what_is_withdrawn_on_its_way_and_was_not_sent_is_never_posted(template: Path) -> None:
    def steps(machine: PostingMachine) -> None:
        machine.work("busy", "stored", False)
        (attempt,) = machine.harness.running
        machine.harness.timelines[attempt.platform].next_publish = "busy"
        machine.share(attempt.platform, "withdraw")
        machine.records_tell_the_truth()
        machine.worker(0, "go on")
        machine.records_tell_the_truth()
        (post,) = (each for each in machine.posts if each.id == attempt.post)
        assert post.status is PostStatus.CANCELLED

    machine = perform(template, steps)
    assert sorted(sum(each.copies.values()) for each in machine.harness.timelines.values()) == [0, 1, 1]


def test_a_refresh_that_fails_during_a_post_leaves_nothing_unknown(template: Path) -> None:
    def steps(machine: PostingMachine) -> None:
        for _ in PLATFORMS:
            machine.work("token refused", "", True)
            machine.records_tell_the_truth()
        assert {each.status for each in machine.posts} == {PostStatus.PENDING}

    machine = perform(template, steps)
    assert {each.status for each in machine.posts} == {PostStatus.SUCCESS}
    assert all(sum(each.copies.values()) == 1 for each in machine.harness.timelines.values())


def test_withdrawing_deletes_every_post_of_a_share_that_was_posted_again(template: Path) -> None:
    def steps(machine: PostingMachine) -> None:
        machine.all_work()
        machine.post("twitter", force=True, hours=0)
        machine.records_tell_the_truth()
        machine.all_work()
        assert len(machine.harness.timelines["twitter"].there) == 2
        machine.share("twitter", "delete")
        machine.records_tell_the_truth()
        machine.post("twitter", force=False, hours=2)  # while they wait to be deleted
        machine.records_tell_the_truth()
        machine.all_work()
        assert len(machine.harness.timelines["twitter"].there) == 0

    machine = perform(template, steps)
    assert len(machine.harness.timelines["twitter"].there) == 1
