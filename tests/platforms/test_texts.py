"""What each platform takes for the length of a text, and what it cannot take."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.adapters.platforms import facebook, linkedin, threads, twitter
from sharetally.adapters.platforms.facebook import text as facebook_text
from sharetally.adapters.platforms.linkedin import text as linkedin_text
from sharetally.adapters.platforms.threads import text as threads_text
from sharetally.adapters.platforms.twitter import text as twitter_text
from tests.services.npm import install_npm_packages

URL = "https://share.example.com/s/AbCd3Fgh"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # five code points, 18 bytes
ORACLE = Path(__file__).with_name("twitter_text")


def test_x_counts_as_its_own_library_does() -> None:
    """The cases that we thought of, and thousands that nobody thought of."""
    chance = random.Random(3)
    known: dict[str, list[str]] = json.loads((ORACLE / "texts.json").read_text("utf-8"))
    texts = known["texts"] + ["".join(chance.choices(known["parts"], k=chance.randint(1, 14))) for _ in range(5_000)]
    counted = zip(texts, map(twitter_text.weighted_length, texts), weights_by_library(texts), strict=True)
    assert [(text, ours, theirs) for text, ours, theirs in counted if ours != theirs] == []


def weights_by_library(texts: list[str]) -> list[int]:
    """What twitter-text 3.1.0 says, the package that X publishes for this."""
    modules = install_npm_packages(ORACLE)
    node = shutil.which("node")
    assert node, "npm brings it"
    command = [node, str(ORACLE / "weigh.cjs"), str(modules)]
    weighed = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=120)
    return [int(weight) for weight in json.loads(weighed.stdout)]


def test_an_address_counts_23_for_x_however_long_it_is() -> None:
    assert twitter_text.weighted_length(URL) == 23
    assert twitter_text.weighted_length(f"{URL}?{'a' * 1000}") == 23


@pytest.mark.parametrize(("text", "length"), [("a" * 257 + " " + URL, 281), ("日" * 129 + URL, 281)])
def test_x_takes_280(text: str, length: int) -> None:
    assert twitter_text.text_fault(text[1:], URL) is None
    assert twitter_text.text_fault(text, URL) == f"The text has {length} characters as X counts them; the limit is 280."


@pytest.mark.parametrize("character", ["\ufeff", "\ufffe", "\uffff"])
def test_x_refuses_some_characters(character: str) -> None:
    assert twitter_text.text_fault(f"a{character} {URL}", URL) is not None


@pytest.mark.parametrize("text", ["a." * 20_000, "日" * 40_000 + ".com", "(" * 20_000 + ".com/" + "a)" * 20_000])
def test_a_hostile_text_is_counted_at_once(text: str) -> None:
    """Quadratic patterns would take minutes."""
    assert twitter_text.weighted_length(text) > twitter_text.LIMIT


@given(st.text(st.sampled_from("com.a-/:@ é日한👍\u200d\ufe0f#"), max_size=400))
def test_a_part_of_an_address_never_weighs_more_than_its_letters(text: str) -> None:
    assert 0 <= twitter_text.weighted_length(text) <= 23 * len(text)


def test_x_warns_about_mentions() -> None:
    assert len(twitter_text.warnings("hello @somebody")) == 1
    assert twitter_text.warnings("hello somebody") == ()


def test_linkedin_gets_every_reserved_character_escaped() -> None:
    assert linkedin_text.escape(r"\_|()[]{}@#*~<>") == r"\\\_\|\(\)\[\]\{\}\@\#\*\~\<\>"
    assert linkedin_text.escape("Tom & Jerry: “100 %”, 日本語 👍") == "Tom & Jerry: “100 %”, 日本語 👍"


@given(st.text(max_size=100))
def test_linkedin_shows_what_was_written(text: str) -> None:
    characters = iter(linkedin_text.escape(text))
    assert "".join(next(characters) if each == "\\" else each for each in characters) == text


def test_linkedin_counts_what_readers_see() -> None:
    assert linkedin_text.text_fault("_" * 3_000, URL) is None
    fault = linkedin_text.text_fault("_" * 3_001, URL)
    assert fault is not None
    assert "3001" in fault
    assert "3000" in fault


def test_facebook_takes_63206_characters() -> None:
    assert facebook_text.text_fault("a" * 63_206, URL) is None
    assert "63207" in (facebook_text.text_fault("a" * 63_207, URL) or "")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("abc é 日本", 8),
        ("👍", 4),
        ("👍🏽", 8),
        (FAMILY, 18),
        ("a" + FAMILY + "b", 20),
        ("🇩🇪", 8),
        ("1\ufe0f\u20e3", 7),
        ("\u2764\ufe0f", 6),
        ("\U0001fae8", 4),  # newer than the list
        ("1 # *", 5),
        (URL, len(URL)),
    ],
)
def test_threads_counts_an_emoji_by_its_bytes(text: str, length: int) -> None:
    assert threads_text.counted_length(text) == length


def test_threads_takes_500() -> None:
    assert threads_text.text_fault("a" * 496 + "👍", URL) is None
    assert "501" in (threads_text.text_fault("a" * 497 + "👍", URL) or "")


def test_the_share_page_and_the_post_have_one_limit() -> None:
    limits = {
        twitter.Twitter().text_limit: twitter_text.LIMIT,
        linkedin.LinkedIn().text_limit: linkedin_text.LIMIT,
        facebook.Facebook().text_limit: facebook_text.LIMIT,
        threads.Threads().text_limit: threads_text.LIMIT,
    }
    assert all(shown == counted for shown, counted in limits.items())
