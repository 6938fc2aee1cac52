"""The judge of posts cannot be fooled: each thing that can be wrong with posts is seen."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.posting.judge import PostRow, RecordRow, compare_counts, compare_posts, compare_records
from tests.faults.posting.load import SharedPost

KEY = ("anna", "mastodon", "clip-1")
SHARE = SharedPost("anna", "mastodon", "clip-1", declared=False)
DECLARED = SharedPost("anna", "mastodon", "clip-1", declared=True)
POSTED = RecordRow(status="success", evidence="posted")


def post(status: str, copies: int, error: str | None = None) -> PostRow:
    return PostRow(key=KEY, url="https://shares.example/s/1", status=status, error=error, copies=copies)


@pytest.mark.parametrize("good", [post("success", 1), post("failed", 0, "not-found"), post("cancelled", 0)])
def test_posts_that_are_what_they_say_are_right(good: PostRow) -> None:
    found = compare_posts([good], frozenset({"not-found"}))
    assert (found.lost, found.duplicated) == ([], [])


@pytest.mark.parametrize(
    ("wrong", "lost", "duplicated"),
    [
        (post("success", 0), 1, 0),
        (post("success", 2), 0, 1),
        (post("failed", 1, "not-found"), 0, 1),
        (post("failed", 0, "gave-up"), 1, 0),
        (post("cancelled", 1), 0, 1),
        (post("pending", 0), 1, 0),
        (post("sending", 1), 0, 1),
        (post("unknown", 0), 1, 0),
        (post("unknown", 2), 0, 1),
    ],
    ids=lambda value: f"{value.status} {value.copies}" if isinstance(value, PostRow) else str(value),
)
def test_a_post_that_is_not_what_it_says_is_seen(wrong: PostRow, lost: int, duplicated: int) -> None:
    found = compare_posts([wrong], frozenset({"not-found"}))
    assert (len(found.lost), len(found.duplicated)) == (lost, duplicated)


def test_records_that_follow_from_their_posts_are_right() -> None:
    for share, row, record in (
        (SHARE, post("success", 1), POSTED),
        (DECLARED, post("success", 1), POSTED),
        (SHARE, post("failed", 0, "not-found"), RecordRow(status="failed", evidence="posted")),
        (DECLARED, post("failed", 0, "not-found"), RecordRow(status="success", evidence="declared")),
    ):
        found = compare_records([share], [row], {KEY: record}, Counter({KEY: row.copies}))
        assert (found.lost, found.duplicated) == ([], [])


@pytest.mark.parametrize(
    ("record", "audit", "lost", "duplicated"),
    [
        (None, 1, 1, 0),
        (RecordRow(status="unknown", evidence="posted"), 1, 1, 0),
        (RecordRow(status="success", evidence="declared"), 1, 1, 0),
        (POSTED, 2, 0, 1),
        (POSTED, 0, 0, 1),
    ],
)
def test_a_record_that_contradicts_its_post_is_seen(
    record: RecordRow | None, audit: int, lost: int, duplicated: int
) -> None:
    records = {} if record is None else {KEY: record}
    found = compare_records([SHARE], [post("success", 1)], records, Counter({KEY: audit}))
    assert (len(found.lost), len(found.duplicated)) == (lost, duplicated)


def test_a_record_that_nobody_asked_for_is_seen() -> None:
    assert compare_records([], [], {KEY: POSTED}, Counter()).duplicated


@pytest.mark.parametrize("counted", [0, 2])
def test_a_count_that_is_not_the_number_of_live_records_is_seen(counted: int) -> None:
    assert compare_counts({KEY: POSTED}, {"clip-1": counted}).miscounted
    assert not compare_counts({KEY: POSTED}, {"clip-1": 1}).miscounted
