"""Every cell of the transition table, and what each step does to the fields of a record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sharetally.domain.content import ContentRef
from sharetally.domain.share import (
    TABLE,
    Advance,
    Evidence,
    Failure,
    RecordKey,
    Request,
    ShareRecord,
    Status,
    advance,
)
from tests.domain.sharing_table import MEANS, cells

KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
FIRST = datetime(2026, 11, 20, 12, 0, 0, 1, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)
NOW = FIRST + timedelta(hours=2, microseconds=7)
STORED, OFFERED = UUID(int=1), UUID(int=2)
FAILURE = Failure(code="rejected", message="not like this")
CELLS = list(cells())
STEPS = [(state, request) for state, request, word in CELLS if state and MEANS[word].status]


def standing(status: Status, *, evidence: Evidence = Evidence.DECLARED) -> ShareRecord:
    """A record with every field set, so that each one that changes is seen."""
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


def asked(record: ShareRecord | None, request: Request, failure: Failure | None = None) -> Advance:
    return advance(record, request, key=KEY, new_id=OFFERED, now=NOW, failure=failure)


def after(record: ShareRecord | None, request: Request, failure: Failure | None = None) -> ShareRecord:
    stands = asked(record, request, failure).after
    assert stands is not None
    return stands


def test_the_matrix_is_whole() -> None:
    assert len(CELLS) == 7 * 9
    assert {(state, request) for state, request, _ in CELLS} == set(TABLE)


@pytest.mark.parametrize(("state", "request_", "word"), CELLS)
def test_each_cell(state: Status | None, request_: Request, word: str) -> None:
    wanted = MEANS[word]
    before = standing(state) if state else None
    found = asked(before, request_)
    assert (found.step.reply, found.step.to, found.step.action, found.step.job, found.step.posts) == (
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


@pytest.mark.parametrize("request_", [Request.DECLARE, Request.FORCE])
def test_a_first_share_is_whole(request_: Request) -> None:
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
    made = after(None, Request.POST)
    assert (made.status, made.evidence, made.attempt_count) == (Status.PENDING, Evidence.POSTED, 1)
    assert (made.first_shared_at, made.last_shared_at) == (None, None)


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_an_attempt_is_what_a_user_asks_for(state: Status, request_: Request) -> None:
    by_user = request_ in {Request.DECLARE, Request.FORCE, Request.POST, Request.RETRY}
    assert after(standing(state), request_).attempt_count == (4 if by_user else 3)


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_a_share_that_is_live_from_now_on_was_last_shared_now(state: Status, request_: Request) -> None:
    found = after(standing(state), request_)
    assert found.first_shared_at == FIRST
    assert found.last_shared_at == (NOW if found.status is Status.SUCCESS else LATER)


def test_what_was_posted_at_last_was_first_shared_then() -> None:
    never = standing(Status.SENDING)._replace(first_shared_at=None, last_shared_at=None)
    found = after(never, Request.CONFIRM)
    assert (found.first_shared_at, found.last_shared_at) == (NOW, NOW)


@pytest.mark.parametrize(
    ("state", "request_", "before", "afterwards"),
    [
        (Status.SUCCESS, Request.FORCE, Evidence.POSTED, Evidence.POSTED),
        (Status.SUCCESS, Request.FORCE, Evidence.DECLARED, Evidence.DECLARED),
        (Status.SUCCESS, Request.CONFIRM, Evidence.DECLARED, Evidence.POSTED),
        (Status.SUCCESS, Request.WITHDRAW, Evidence.POSTED, Evidence.POSTED),
        (Status.WITHDRAWN, Request.DECLARE, Evidence.POSTED, Evidence.DECLARED),
        (Status.WITHDRAWN, Request.FORCE, Evidence.POSTED, Evidence.DECLARED),
        (Status.WITHDRAWN, Request.POST, Evidence.DECLARED, Evidence.POSTED),
        (Status.FAILED, Request.DECLARE, Evidence.POSTED, Evidence.DECLARED),
        (Status.FAILED, Request.RETRY, Evidence.DECLARED, Evidence.POSTED),
        (Status.UNKNOWN, Request.DECLARE, Evidence.POSTED, Evidence.DECLARED),
        (Status.UNKNOWN, Request.CONFIRM, Evidence.DECLARED, Evidence.POSTED),
        (Status.SENDING, Request.LOSE, Evidence.POSTED, Evidence.POSTED),
        (Status.SENDING, Request.REJECT, Evidence.POSTED, Evidence.POSTED),
        (Status.PENDING, Request.BEGIN, Evidence.POSTED, Evidence.POSTED),
        (Status.SENDING, Request.CONFIRM, Evidence.POSTED, Evidence.POSTED),
    ],
)
def test_evidence_is_what_the_last_live_share_rests_on(
    state: Status, request_: Request, before: Evidence, afterwards: Evidence
) -> None:
    assert after(standing(state, evidence=before), request_).evidence is afterwards


def test_a_failure_is_told() -> None:
    found = after(standing(Status.SENDING), Request.REJECT, FAILURE)
    assert (found.error_code, found.error_message) == ("rejected", "not like this")


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_an_older_failure_is_forgotten_with_the_next_step(state: Status, request_: Request) -> None:
    found = after(standing(state), request_)
    assert (found.error_code, found.error_message) == (None, None)


@pytest.mark.parametrize(("state", "request_"), STEPS)
def test_identity_and_place_outside_stay(state: Status, request_: Request) -> None:
    found = after(standing(state), request_)
    assert (found.id, found.external_id, found.external_url) == (STORED, "42", "https://x.com/anna/status/42")
