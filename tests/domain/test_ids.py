"""Ids that the application creates: in the order of time, and short enough for a URL."""

from __future__ import annotations

import string
import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.domain.ids import earliest_id, from_base62, new_id, to_base62
from sharetally.domain.link import new_link_code

LETTERS = set(string.ascii_letters + string.digits)


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = new_id()
    assert made.version == 7
    assert made.variant == RFC_4122


def test_the_first_48_bits_are_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = new_id().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000


def test_a_moment_lies_between_the_ids_before_and_after_it() -> None:
    before, at, after = (
        new_id(),
        datetime.now(UTC) + timedelta(milliseconds=1),
        datetime.now(UTC) + timedelta(minutes=1),
    )
    assert before < earliest_id(at) < earliest_id(after)
    assert earliest_id(datetime(1969, 1, 1, tzinfo=UTC)) == UUID(int=0)
    assert earliest_id(datetime(9999, 12, 31, tzinfo=UTC)) > earliest_id(after)
    assert earliest_id(datetime(2026, 11, 20, tzinfo=UTC)).int >> 80 == 1_795_132_800_000


def test_ids_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1_795_190_400_000_000_000, 1_795_190_400_003_000_000, 1_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks))
    made = [new_id() for _ in range(3_000)]
    assert made == sorted(made)
    assert [each.bytes for each in made] == sorted(each.bytes for each in made)


def test_ids_of_the_same_moment_are_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_190_400_000_000_000)
    assert len({new_id() for _ in range(10_000)}) == 10_000


@given(st.uuids())
def test_base62_round_trips(value: UUID) -> None:
    text = to_base62(value)
    assert len(text) == 22
    assert set(text) <= LETTERS
    assert from_base62(text) == value


@pytest.mark.parametrize("value", [UUID(int=0), UUID(int=2**128 - 1), UUID(int=61), UUID(int=62)])
def test_base62_at_its_ends(value: UUID) -> None:
    assert from_base62(to_base62(value)) == value


@given(st.uuids(), st.uuids())
def test_base62_keeps_the_order(one: UUID, other: UUID) -> None:
    assert (to_base62(one) < to_base62(other)) == (one < other)


@pytest.mark.parametrize("text", ["", "0" * 21, "0" * 23, "z" * 22, "0" * 21 + "-", "0" * 21 + "é", " " * 22])
def test_text_outside_base62_is_not_an_id(text: str) -> None:
    assert from_base62(text) is None


def test_codes_are_ten_random_characters() -> None:
    codes = {new_link_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(len(code) == 10 and set(code) <= LETTERS for code in codes)
