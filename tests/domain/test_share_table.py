"""Every entry of the transition table, and what each transition does to the fields of a record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sharetally.domain.content import ContentRef
from sharetally.domain.share import (
    TABLE,
    Evidence,
    Failure,
    RecordKey,
    ShareRecord,
    Status,
    Transitioned,
    Trigger,
    transition,
)
from tests.domain.transition_table import MEANS, cells

KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
FIRST = datetime(2026, 11, 20, 12, 0, 0, 1, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)
NOW = FIRST + timedelta(hours=2, microseconds=7)
STORED, OFFERED = UUID(int=1), UUID(int=2)
FAILURE = Failure(code="rejected", message="not like this")
CELLS = list(cells())
STEPS = [(state, request) for state, request, word in CELLS if state and MEANS[word].status]


def standing(status: Status, *, evidence: Evidence = Evidence.DECLARED) -> ShareRecord:
    """A record with every field set, so that every change of a field shows."""
    return ShareRecord(
        id=STORED,
        content=ContentRef(type="video", id="abc"),
        platform="twitter",
        user_id="anna",
        status=status,
        evidence=evidence,
        attempt_count=3,
        error_code="before",
        error_message="an older failure",
        first_shared_at=FIRST,
        last_shared_at=LATER,
        external_id="42",
        external_url="https://x.com/anna/status/42",
    )


def trigger(record: ShareRecord | None, request: Trigger, failure: Failure | None = None) -> Transitioned:
    return transition(record, request, key=KEY, new_id=OFFERED, now=NOW, failure=failure)


def after(record: ShareRecord | None, request: Trigger, failure: Failure | None = None) -> ShareRecord:
    stands = trigger(record, request, failure).after
    assert stands is not None
    return stands


def test_the_matrix_is_whole() -> None:
    assert len(CELLS) == 7 * 9
    assert {(state, request) for state, request, _ in CELLS} == set(TABLE)


@pytest.mark.parametrize(("state", "request_", "word"), CELLS)
def test_each_cell(state: Status | None, request_: Trigger, word: str) -> None:
    wanted = MEANS[word]
    before = standing(state) if state else None
    found = trigger(before, request_)
    assert (
        found.transition.reply,
        found.transition.to,
        found.transition.action,
        found.transition.job,
        found.transition.posts,
    ) == (
        wanted.reply,
        wanted.status,
        wanted.action,
        wanted.job,
        wanted.posts,
    )
    assert found.before is before
    if wanted.status is None:
        assert found.after is before
    else:
        assert found.after is not None
        assert found.after.status is wanted.status
        assert found.after.key == KEY


@pytest.mark.parametrize("request_", [Trigger.DECLARE, Trigger.FORCE])
def test_a_first_share_is_whole(request_: Trigger) -> None:
    assert after(None, request_) == ShareRecord(
        id=OFFERED,
        content=ContentRef(type="video", id="abc"),
        platform="twitter",
        user_id="anna",
        status=Status.SUCCESS,
        evidence=Evidence.DECLARED,
        attempt_count=1,
        first_shared_at=NOW,
        last_shared_at=NOW,
    )


def test_a_first_order_to_post_was_not_shared_yet() -> None:
    made = after(None, Trigger.POST)
    assert (made.status, made.evidence, made.attempt_count) == (Status.PENDING, Evidence.POSTED, 1)
    assert (made.first_shared_at, made.last_shared_at) == (None, None)


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_only_a_users_trigger_starts_an_attempt(state: Status, request_: Trigger) -> None:
    by_user = request_ in {Trigger.DECLARE, Trigger.FORCE, Trigger.POST, Trigger.RETRY}
    assert after(standing(state), request_).attempt_count == (4 if by_user else 3)


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_a_share_that_is_live_from_now_on_was_last_shared_now(state: Status, request_: Trigger) -> None:
    found = after(standing(state), request_)
    assert found.first_shared_at == FIRST
    shared_now = found.status is Status.SUCCESS and request_ is not Trigger.POST  # which only asks for a post
    assert found.last_shared_at == (NOW if shared_now else LATER)


def test_a_confirmed_post_sets_the_first_and_last_time_of_sharing() -> None:
    never = standing(Status.SENDING)._replace(first_shared_at=None, last_shared_at=None)
    found = after(never, Trigger.CONFIRM)
    assert (found.first_shared_at, found.last_shared_at) == (NOW, NOW)


@pytest.mark.parametrize(
    ("state", "request_", "before", "afterwards"),
    [
        (Status.SUCCESS, Trigger.FORCE, Evidence.POSTED, Evidence.POSTED),
        (Status.SUCCESS, Trigger.FORCE, Evidence.DECLARED, Evidence.DECLARED),
        (Status.SUCCESS, Trigger.CONFIRM, Evidence.DECLARED, Evidence.POSTED),
        (Status.SUCCESS, Trigger.WITHDRAW, Evidence.POSTED, Evidence.POSTED),
        (Status.WITHDRAWN, Trigger.DECLARE, Evidence.POSTED, Evidence.DECLARED),
        (Status.WITHDRAWN, Trigger.FORCE, Evidence.POSTED, Evidence.DECLARED),
        (Status.WITHDRAWN, Trigger.POST, Evidence.DECLARED, Evidence.POSTED),
        (Status.FAILED, Trigger.DECLARE, Evidence.POSTED, Evidence.DECLARED),
        (Status.FAILED, Trigger.RETRY, Evidence.DECLARED, Evidence.POSTED),
        (Status.UNKNOWN, Trigger.DECLARE, Evidence.POSTED, Evidence.DECLARED),
        (Status.UNKNOWN, Trigger.CONFIRM, Evidence.DECLARED, Evidence.POSTED),
        (Status.SENDING, Trigger.LOSE, Evidence.POSTED, Evidence.POSTED),
        (Status.SENDING, Trigger.REJECT, Evidence.POSTED, Evidence.POSTED),
        (Status.PENDING, Trigger.BEGIN, Evidence.POSTED, Evidence.POSTED),
        (Status.SENDING, Trigger.CONFIRM, Evidence.POSTED, Evidence.POSTED),
    ],
)
def test_evidence_comes_from_the_last_live_share(
    state: Status, request_: Trigger, before: Evidence, afterwards: Evidence
) -> None:
    assert after(standing(state, evidence=before), request_).evidence is afterwards


def test_a_failure_is_stored_with_code_and_message() -> None:
    found = after(standing(Status.SENDING), Trigger.REJECT, FAILURE)
    assert (found.error_code, found.error_message) == ("rejected", "not like this")


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_an_older_failure_is_forgotten_with_the_next_step(state: Status, request_: Trigger) -> None:
    found = after(standing(state), request_)
    assert (found.error_code, found.error_message) == (None, None)


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_identity_and_place_outside_stay(state: Status, request_: Trigger) -> None:
    found = after(standing(state), request_)
    assert (found.id, found.external_id, found.external_url) == (STORED, "42", "https://x.com/anna/status/42")
