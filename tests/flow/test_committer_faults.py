"""When the ledger fails: transient errors are retried, a lost reply to COMMIT is checked, others reach all callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.backoff import Backoff
from sharetally.domain.errors import CommitOutcomeUnknown, TransientConflict, Unavailable
from sharetally.flow import committer
from sharetally.flow.hooks import Hooks
from sharetally.ports import AuditFilter, Transaction
from tests.contracts.database_rows import open_empty_database
from tests.flow.harness import run_in_background
from tests.flow.running_committer import VIDEO, already_shared_flags, gather_outcomes, idempotent, run_committer, share

pytestmark = pytest.mark.anyio

LOST_AFTER, LOST_BEFORE, GONE, DEADLOCK = "lost after", "lost before", "gone", "deadlock"


class FakeLedger:
    """A real ledger behind a connection that fails once for each word in `faults` and then works.

    `lost after`: the COMMIT arrived, but its reply did not. `lost before`: neither did. `gone`: no connection to begin
    with. `deadlock`: rolled back. `deaf`: the check after a lost reply fails as well.
    """

    def __init__(self, db: SqlDatabase, *faults: str, deaf: int = 0) -> None:
        self._db = db
        self._faults = list(faults)
        self._deaf = deaf
        self.begun = 0
        self.looks: list[Sequence[UUID]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """As it is, up to the fault."""
        self.begun += 1
        fault = self._faults.pop(0) if self._faults else None
        if fault == GONE:
            raise Unavailable("nobody answers")
        try:
            async with self._db.transaction() as tx:
                yield tx
                _end(fault)
        except _Reply as lost:
            raise CommitOutcomeUnknown("lost") from lost
        if fault == LOST_AFTER:
            raise CommitOutcomeUnknown("lost")

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """What is there."""
        self.looks.append(audit_ids)
        if len(self.looks) <= self._deaf:
            raise Unavailable("nobody answers")
        return await self._db.committed(audit_ids)


class _Reply(Exception):
    """Lost."""


def _end(fault: str | None) -> None:
    """Roll back, if that is what happened."""
    if fault == DEADLOCK:
        raise TransientConflict("40P01")
    if fault == LOST_BEFORE:
        raise _Reply


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlDatabase]:
    """The embedded one: the faults are those of the line to any of them."""
    monkeypatch.setattr(committer, "COMMIT_CHECKS", Backoff(first=0.001, longest=0.001, attempts=5))
    monkeypatch.setattr(committer, "RETRIES", Backoff(first=0.001, longest=0.001, attempts=20))
    async with open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as made:
        yield made


async def lines(db: SqlDatabase) -> int:
    return len(await db.audit.page(AuditFilter(), limit=100, after=None))


# the reply to COMMIT


async def test_a_commit_with_a_lost_reply_is_found_and_answered(db: SqlDatabase) -> None:
    ledger = FakeLedger(db, LOST_AFTER)
    async with run_committer(db, ledger=ledger) as work:
        outcomes = await asyncio.gather(*(work.committer.submit(share()) for _ in range(3)))
    assert already_shared_flags(outcomes) == [False, True, True]
    assert (ledger.begun, len(ledger.looks), await lines(db)) == (1, 1, 1)
    assert len(work.published) == 1


async def test_a_commit_that_cannot_be_found_is_reported_as_unknown(db: SqlDatabase) -> None:
    ledger = FakeLedger(db, LOST_BEFORE)
    async with run_committer(db, ledger=ledger) as work:
        outcomes = await gather_outcomes(work.committer.submit(share(f"user {each}")) for each in range(3))
        retry_transient = await work.committer.submit(share("user 0"))
    assert [type(each) for each in outcomes] == [CommitOutcomeUnknown] * 3
    assert already_shared_flags([retry_transient]) == [False]
    assert (await lines(db), len(work.published)) == (1, 1)


@pytest.mark.parametrize(("deaf", "answered"), [(1, True), (3, True), (9, False)])
async def test_the_commit_lookup_is_retried(db: SqlDatabase, deaf: int, answered: bool) -> None:
    ledger = FakeLedger(db, LOST_AFTER, deaf=deaf)
    async with run_committer(db, ledger=ledger) as work:
        (outcome,) = await gather_outcomes([work.committer.submit(share())])
    assert isinstance(outcome, CommitOutcomeUnknown) != answered
    assert len(ledger.looks) == (deaf + 1 if answered else 4)
    assert await lines(db) == 1


async def test_a_lost_reply_after_nothing_was_written_does_not_matter(db: SqlDatabase) -> None:
    ledger = FakeLedger(db, "", LOST_BEFORE)
    async with run_committer(db, ledger=ledger) as work:
        await work.committer.submit(share())
        retry_transient = await work.committer.submit(share())
    assert already_shared_flags([retry_transient]) == [True]
    assert ledger.looks == []


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
async def test_a_lost_answer_that_changed_nothing_is_written_once(db: SqlDatabase, fault: str) -> None:
    """There is no line of the audit to look for; the same is done again, and the key keeps it from being two."""
    ledger = FakeLedger(db, "", fault)
    async with run_committer(db, ledger=ledger) as work:
        await work.committer.submit(share())
        first = await work.committer.submit_idempotent(share(), idempotent("k"))
        twin = await work.committer.submit_idempotent(share(), idempotent("k"))
    assert first.body.endswith(b" True")
    assert twin == first
    assert ledger.begun == 4


# what passes


async def test_a_deadlocked_commit_is_retried_with_the_same_ids(db: SqlDatabase) -> None:
    ledger = FakeLedger(db, *[DEADLOCK] * 5)
    async with run_committer(db, ledger=ledger) as work:
        ((result,),) = await asyncio.gather(work.committer.submit(share()))
    assert not result.already_shared
    assert ledger.begun == 6
    assert await db.shares.of_user(VIDEO, "anna") == {"twitter": result.record}
    assert [event.share_id for event in work.published] == [result.record.id]
    assert await lines(db) == 1


async def test_a_long_held_lock_fails_the_commit(db: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt waits for seconds: after twenty of them, no caller would be waiting for the answer."""
    monkeypatch.setattr(committer, "RETRY_SECONDS", 0.0)
    ledger = FakeLedger(db, DEADLOCK)
    async with run_committer(db, ledger=ledger) as work:
        (refused,) = await gather_outcomes([work.committer.submit(share())])
        assert isinstance(refused, Unavailable)
        assert "nothing was written" in refused.detail
        assert ledger.begun == 1
        assert already_shared_flags([await work.committer.submit(share())]) == [False]


async def test_endless_conflicts_are_given_up_and_nothing_is_written(db: SqlDatabase) -> None:
    ledger = FakeLedger(db, *[DEADLOCK] * 100)
    async with run_committer(db, ledger=ledger) as work:
        outcomes = await gather_outcomes(work.committer.submit(share(f"user {each}")) for each in range(3))
    assert [type(each) for each in outcomes] == [Unavailable] * 3
    assert all("nothing was written" in each.detail for each in outcomes)
    assert (ledger.begun, await lines(db)) == (19, 0)


async def test_an_outage_is_reported_to_all_callers_at_once_and_ends(db: SqlDatabase) -> None:
    ledger = FakeLedger(db, GONE)
    async with run_committer(db, ledger=ledger) as work:
        outcomes = await gather_outcomes(work.committer.submit(share(f"user {each}")) for each in range(10))
        assert {type(each) for each in outcomes} == {Unavailable}
        assert ledger.begun == 1
        retry_transient = await work.committer.submit(share("user 0"))
    assert already_shared_flags([retry_transient]) == [False]


async def test_a_publish_failure_leaves_no_caller_waiting(db: SqlDatabase) -> None:
    def fails(events: object) -> None:
        raise RuntimeError("not my day")

    async with run_committer(db) as sound:
        broken = committer.Committer(
            ledger=db, clock=DatabaseClock(), hooks=Hooks(), meter=sound.meter, on_committed=fails
        )
        async with run_in_background(broken.run()):
            for _ in range(2):  # what is committed is answered, and the committer goes on
                outcomes = await gather_outcomes(broken.submit(share(f"user {each}")) for each in range(3))
                assert [type(each) for each in outcomes] == [list] * 3
