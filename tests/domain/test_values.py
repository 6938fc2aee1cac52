"""The small values: callers' scopes, counted links, adjustments, and proofs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell
from sharetally.domain.link import ShareLink
from sharetally.domain.proof import CellProof, VerificationResult

VIDEO = ContentRef(type="video", id="abc")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LINK = ShareLink(
    id=UUID(int=1), code="abcdefghij", content=VIDEO, user_id="anna", channel="twitter", campaign="",
    url="https://example.org/abc", created_at=NOW, updated_at=NOW,
)  # fmt: skip
CORRECTION = Adjustment(
    id=UUID(int=2), request_key="job-1", content=VIDEO, amount=-5, channel="", campaign="summer",
    reason="counted twice", actor="ops",
)  # fmt: skip
CELL = CellProof(content=VIDEO, dimension="channel", value="twitter", counted=5, pending=2, ledger=7)


def test_no_scope_implies_another() -> None:
    caller = Caller(user_id="anna", actor="anna", scopes=frozenset({"admin"}))
    assert caller.may("admin")
    assert not caller.may("shares")


def test_a_link_counts_while_it_lives_and_no_record_owns_it() -> None:
    assert LINK.is_counted
    assert replace(LINK, expires_at=datetime(2020, 1, 1, tzinfo=UTC)).is_counted
    assert not replace(LINK, deleted_at=NOW).is_counted
    assert not replace(LINK, record_id=UUID(int=9)).is_counted


def test_links_and_corrections_name_their_cell() -> None:
    assert LINK.cell == Cell(evidence="link", channel="twitter", campaign="")
    assert CORRECTION.cell == Cell(evidence="adjusted", channel="", campaign="summer")


@pytest.mark.parametrize(
    "other",
    [
        replace(CORRECTION, amount=5),
        replace(CORRECTION, content=ContentRef(type="video", id="ABC")),
        replace(CORRECTION, channel="twitter"),
        replace(CORRECTION, campaign=""),
        replace(CORRECTION, reason="another"),
    ],
)
def test_another_correction_under_the_same_job_id(other: Adjustment) -> None:
    assert not CORRECTION.same_as(other)


def test_the_same_correction_from_another_hand() -> None:
    assert CORRECTION.same_as(replace(CORRECTION, id=UUID(int=3), actor="somebody else"))


@pytest.mark.parametrize(
    ("dimension", "value", "cell"),
    [
        ("total", "", "total"),
        ("rollup", "twitter/link", "rollup"),
        ("channel", "twitter", "channel:twitter"),
        ("channel", "", "channel:none"),
        ("campaign", "", "campaign:none"),
        ("evidence", "link", "evidence:link"),
        ("platform", "x", "platform:x"),
    ],
)
def test_the_name_of_a_cell(dimension: str, value: str, cell: str) -> None:
    assert replace(CELL, dimension=dimension, value=value).cell == cell


def test_drift_is_counted_plus_pending_minus_ledger() -> None:
    assert CELL.drift == 0
    assert replace(CELL, pending=0).drift == -2
    verdict = VerificationResult(content_items=1, drifted=(replace(CELL, pending=0), replace(CELL, counted=8)))
    assert verdict.drift == 5
