"""The machine of posts finds what it is there to find: each fault that is planted into posting ends a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from sharetally.adapters.databases.stores.delivery_writes import SqlDeliveryWrites
from sharetally.adapters.migrations.runner import upgrade
from sharetally.domain.delivery import Delivery, Outcome
from sharetally.domain.post import Post, PostStatus
from sharetally.flow.delivery.handler import Lease
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.posting.message import PostMessage
from sharetally.flow.posting.outcomes import NotSent
from sharetally.flow.posting.settling import Settling
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import LockSet, Transaction
from tests.rules.posting.machine import run

ENOUGH = 12  # rounds; most faults end one of the first three
Plant = Callable[[pytest.MonkeyPatch], None]


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


def outcomes_go_to_the_newest_post(patch: pytest.MonkeyPatch) -> None:
    """Whichever post they are about, and whatever has become of it."""

    async def settle(
        self: Settling, tx: Transaction, message: PostMessage, outcome: Outcome, *, actor: str = "sharetally"
    ) -> None:
        key = message.key
        work = UnitOfWork(await tx.lock(LockSet(records=frozenset({key}), posts=frozenset({key}))), self._clock.now())
        newest = work.post(key)
        assert newest is not None
        self._apply(work, newest, outcome, actor)
        await tx.write(work.take_writes())
        await tx.deliveries.enqueue(work.take_deliveries())

    patch.setattr(Settling, "settle", settle)


def a_worker_that_was_paused_sends(patch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class NeverStale:
        worker: UUID
        stale: bool = False

    deliver = PostHandler.deliver

    async def never_stale(handler: PostHandler, delivery: Delivery, lease: Lease) -> Outcome:
        return await deliver(handler, delivery, NeverStale(lease.worker))

    patch.setattr(PostHandler, "deliver", never_stale)


def an_attempt_begins_without_its_lease(patch: pytest.MonkeyPatch) -> None:
    async def holds(writes: SqlDeliveryWrites, delivery: Delivery, worker: UUID) -> bool:
        return True

    patch.setattr(SqlDeliveryWrites, "holds", holds)


def what_was_not_sent_waits_although_it_was_withdrawn(patch: pytest.MonkeyPatch) -> None:
    apply = Settling._apply

    def forget(self: Settling, work: UnitOfWork, post: Post, outcome: Outcome, actor: str) -> None:
        keeps = isinstance(outcome, NotSent) and post.status is PostStatus.SENDING and post.cancel_requested
        apply(self, work, post._replace(cancel_requested=post.cancel_requested and not keeps), outcome, actor)

    patch.setattr(Settling, "_apply", forget)


FAULTS: dict[str, Plant] = {
    "sent before the attempt is stored": sent_before_the_attempt_is_stored,
    "repeated where nothing drops repetitions": repeated_where_nothing_drops_repetitions,
    "outcomes go to the newest post": outcomes_go_to_the_newest_post,
    "a worker that was paused sends": a_worker_that_was_paused_sends,
    "an attempt begins without its lease": an_attempt_begins_without_its_lease,
    "what was not sent waits although it was withdrawn": what_was_not_sent_waits_although_it_was_withdrawn,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_ends_the_run(template: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        run(template, range(ENOUGH))
