"""The machine finds what it is there to find: each fault that is planted into the service ends a run.

Faults that a single answer shows are not worth planting; these need a sequence, a check of the tables, or two
requests at once. Each represents its kind. `test_rules` shows that a correct service passes the same rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sharetally.adapters.databases.ledger import SqlTransaction
from sharetally.domain import share as table
from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.event import Event, Job
from sharetally.domain.link import ShareLink
from sharetally.domain.share import TABLE, Status, Trigger
from sharetally.flow import link_commands, sharing
from sharetally.flow.announce import Announcer
from sharetally.flow.queries import Queries
from sharetally.flow.share_commands import Share, ShareResult
from sharetally.flow.unit_of_work import UnitOfWork
from tests.rules.harness import ServiceHarness
from tests.rules.machine import run

ENOUGH = 8  # rounds; most faults end the first one
Plant = Callable[[pytest.MonkeyPatch], None]


def events(change: Callable[[Event], Event | None]) -> Plant:
    """Events are written otherwise, or not at all."""
    written = UnitOfWork.event

    def event(batch: UnitOfWork, made: Event) -> None:
        changed = change(made)
        if changed is not None:
            written(batch, changed)

    return lambda patch: patch.setattr(UnitOfWork, "event", event)


def cell(state: Status, request: Trigger, **fields: object) -> Plant:
    """One cell of the transition table says something else."""
    step: table.Transition = replace(TABLE[state, request], **fields)  # type: ignore[arg-type]
    return lambda patch: patch.setattr(table, "TABLE", {**TABLE, (state, request): step})


def revived_is_already_shared(patch: pytest.MonkeyPatch) -> None:
    class Muddled(Share):
        def apply(self, batch: UnitOfWork) -> list[ShareResult]:
            shown = super().apply(batch)
            self.results = [each._replace(already_shared=each.record.attempt_count > 1) for each in shown]
            return self.results

    patch.setattr(sharing, "Share", Muddled)


def a_move_has_the_tag_of_before(patch: pytest.MonkeyPatch) -> None:
    right, tags = Queries.counts, dict[tuple[ContentRef, int], int]()

    async def counts(queries: Queries, contents: Sequence[ContentRef]) -> list[Count]:
        found = await right(queries, contents)
        return [replace(each, version=tags.setdefault((each.content, each.shares), each.version)) for each in found]

    patch.setattr(Queries, "counts", counts)


def exact_is_what_is_counted(patch: pytest.MonkeyPatch) -> None:
    async def consistent(queries: Queries, content: ContentRef) -> Count:
        return (await queries.counts([content]))[0]

    patch.setattr(Queries, "consistent", consistent)


def nothing_is_announced(patch: pytest.MonkeyPatch) -> None:
    async def announce(announcer: Announcer, contents: object, made: object = ()) -> None: ...

    patch.setattr(Announcer, "announce", announce)


def an_event_is_counted_twice(patch: pytest.MonkeyPatch) -> None:
    async def burn(transaction: SqlTransaction, ids: object) -> None: ...

    patch.setattr(SqlTransaction, "burn", burn)


def an_answer_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UnitOfWork, "put_response", lambda batch, key, answer: None)


def any_correction_fits_a_job_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Adjustment, "same_as", lambda one, other: True)


def a_change_is_not_audited(patch: pytest.MonkeyPatch) -> None:
    written = UnitOfWork.audit

    def audit(batch: UnitOfWork, entry: AuditEntry) -> None:
        if entry.action != "link_updated":
            written(batch, entry)

    patch.setattr(UnitOfWork, "audit", audit)


def what_has_expired_does_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ShareLink, "is_counted", property(lambda link: link.deleted_at is None and link.expires_at is None))


def anybody_may_touch_a_link(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(link_commands, "may_edit", lambda caller, link: True)


def neighbours_do_not_see_each_other(patch: pytest.MonkeyPatch) -> None:
    """The state before the batch decides, as it would if each request read before it wrote."""
    begun = UnitOfWork.__init__

    def begin(batch: UnitOfWork, locked: Any, now: Any) -> None:
        begun(batch, locked, now)
        patch.setattr(batch, "record", locked.records.get)

    patch.setattr(UnitOfWork, "__init__", begin)


FAULTS: dict[str, Plant] = {
    "a withdrawal has no event": events(lambda made: None if made.job == Job.SHARE_DELETED else made),
    "a retry has no delivery": lambda patch: patch.setattr(UnitOfWork, "deliver", lambda batch, delivery: None),
    "a move does not leave where it was": events(lambda made: made._replace(origin=None)),
    "a share by force counts": cell(Status.SUCCESS, Trigger.FORCE, job=Job.SHARE_CREATED),
    "revived is already shared": revived_is_already_shared,
    "a move has the tag of before": a_move_has_the_tag_of_before,
    "exact is what is counted": exact_is_what_is_counted,
    "nothing is announced": nothing_is_announced,
    "an event is counted twice": an_event_is_counted_twice,
    "an answer is forgotten": an_answer_is_forgotten,
    "any correction fits a job id": any_correction_fits_a_job_id,
    "a change is not audited": a_change_is_not_audited,
    "what has expired does not count": what_has_expired_does_not_count,
    "anybody may touch a link": anybody_may_touch_a_link,
    "neighbours do not see each other": neighbours_do_not_see_each_other,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_ends_the_run(
    sqlite_harness: ServiceHarness, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        run(sqlite_harness, range(ENOUGH))
