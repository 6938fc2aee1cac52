"""Which ids are valid: counted in code points and compared exactly."""

from __future__ import annotations

import pytest

from sharetally.domain.content import (
    ContentRef,
    content_type_fault,
    id_fault,
    label_fault,
    prose_fault,
    shown_label,
    stored_label,
    text_fault,
)

ASTRAL = "\U0001f3ac"  # one code point, two UTF-16 units, four bytes


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "a" * 128,
        ASTRAL * 128,
        "…",
        "...",
        ".a",
        "a b",
        "abc ",
        " abc",
        "a%2Fb",
        "a\\b",
        "\u00a0",
        "\u202e",
        "e\u0301",
        "\u00e9",
        "日本語",
    ],
)
def test_an_id(value: str) -> None:
    assert id_fault(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a" * 129,
        ASTRAL * 129,
        ".",
        "..",
        "/",
        "a/b",
        "a\x00",
        "\t",
        "a\nb",
        "\x1f",
        "\x7f",
        "\x80",
        "\x9f",
        "\ud800",
        "a\udfff",
    ],
)
def test_no_id(value: str) -> None:
    assert id_fault(value) is not None


def test_ids_that_differ_in_one_code_point_are_different_content() -> None:
    ids = ["abc", "ABC", "abc ", "e\u0301", "\u00e9", ASTRAL]
    assert len({ContentRef(type="video", id=each) for each in ids}) == len(ids)


def test_contents_sort_by_type_then_by_code_points() -> None:
    ids = [("a", "b"), ("a", "\uffee"), ("a", ASTRAL), ("b", "a")]
    refs = [ContentRef(type=kind, id=name) for kind, name in ids]
    shuffled = [refs[2], refs[0], refs[3], refs[1]]
    assert sorted(shuffled) == refs


@pytest.mark.parametrize("value", ["video", "v", "a" * 32, "x-1_y"])
def test_a_content_type(value: str) -> None:
    assert content_type_fault(value) is None


@pytest.mark.parametrize("value", ["", "Video", "1video", "-x", "a" * 33, "vidéo", "video\n", "a.b"])
def test_no_content_type(value: str) -> None:
    assert content_type_fault(value) is not None


@pytest.mark.parametrize("value", ["twitter", "Sommer_26", "a.b-c", "x" * 64, "."])
def test_a_label(value: str) -> None:
    assert label_fault(value) is None


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "ä", "a/b", "a\n"])
def test_no_label(value: str) -> None:
    assert label_fault(value) is not None


def test_texts_hold_no_control_character_and_no_half_of_a_pair() -> None:
    assert text_fault("Grüße \U0001f44b") is None
    assert text_fault("a\tb") is not None
    assert text_fault("a\ud83d") is not None


def test_prose_may_have_lines() -> None:
    assert prose_fault("one\r\n\ttwo") is None
    assert prose_fault("one\x0btwo") is not None
    assert prose_fault("one\udc00") is not None


@pytest.mark.parametrize(("given", "stored"), [(None, ""), ("none", ""), ("twitter", "twitter"), ("None", "None")])
def test_a_missing_label_is_stored_as_an_empty_text(given: str | None, stored: str) -> None:
    assert stored_label(given) == stored


def test_an_empty_label_is_shown_as_none_at_all() -> None:
    assert shown_label("") is None
    assert shown_label("twitter") == "twitter"
