"""What servers of Bluesky read about this service as an OAuth client, and how a text becomes a record."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.adapters.platforms.bluesky import text as text_rules
from sharetally.adapters.platforms.bluesky.oauth_client import OAuthClient
from sharetally.adapters.platforms.mastodon import text as mastodon_text
from sharetally.adapters.platforms.mastodon.text import Limits
from sharetally.domain.ids import new_id, new_ids
from tests.platforms.bluesky_cases import client_key
from tests.platforms.cases import URL
from tests.platforms.pds.server import LOCAL_CLIENT, PUBLIC_CLIENT

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one character to a person, 18 bytes
TID = "234567abcdefghijklmnopqrstuvwxyz"
AT = "2026-11-30T12:00:00.000Z"


def oauth_client(url: str, *names: str) -> OAuthClient:
    keys = [client_key(name) for name in names]
    return OAuthClient(public_url=url, name="Sharetally", keys=keys, now=lambda: datetime.now(UTC))


# the client


def test_a_confidential_client_publishes_its_keys_without_their_secrets() -> None:
    documents = oauth_client(PUBLIC_CLIENT, "two", "one").documents()
    metadata, keys = documents["client-metadata.json"], documents["jwks.json"]["keys"]
    assert metadata["client_id"] == f"{PUBLIC_CLIENT}/oauth/bluesky/client-metadata.json"
    assert metadata["redirect_uris"] == [f"{PUBLIC_CLIENT}/oauth/bluesky/callback"]
    assert metadata["jwks_uri"] == f"{PUBLIC_CLIENT}/oauth/bluesky/jwks.json"
    assert metadata["token_endpoint_auth_method"] == "private_key_jwt"
    assert isinstance(keys, list)
    assert [key["kid"] for key in keys] == ["two", "one"]
    assert not any("d" in key for key in keys)


def test_a_public_client_publishes_no_keys() -> None:
    documents = oauth_client(PUBLIC_CLIENT).documents()
    assert documents.keys() == {"client-metadata.json"}
    assert documents["client-metadata.json"]["token_endpoint_auth_method"] == "none"


@pytest.mark.parametrize("url", [LOCAL_CLIENT, "http://localhost:8000", "http://[::1]:8000"])
def test_a_client_on_the_loopback_publishes_nothing(url: str) -> None:
    client = oauth_client(url, "one")
    assert client.documents() == {}
    assert client.id.startswith("http://localhost?redirect_uri=")
    assert client.first_key_id is None


def test_keys_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="kid"):
        oauth_client(PUBLIC_CLIENT, "one", "one")


# keys of records


def test_the_key_of_a_record_is_a_tid_with_the_time_of_the_post() -> None:
    before, key, after = time.time_ns() // 1000, text_rules.record_key(new_id()), time.time_ns() // 1000
    assert len(key) == 13
    assert key[0] in TID[:16], "the highest bit is 0"
    number = 0
    for character in key:
        number = number << 5 | TID.index(character)
    assert before - 1 <= number >> 10 <= after


@given(st.uuids(version=4))
def test_every_post_has_a_key(post_id: UUID) -> None:
    key = text_rules.record_key(post_id)
    assert key == text_rules.record_key(post_id)
    assert len(key) == 13
    assert key[0] in TID[:16]


def test_posts_of_one_moment_have_keys_of_their_own() -> None:
    ids = new_ids(1_000)
    keys = [text_rules.record_key(each) for each in ids]
    assert len(set(keys)) == len(ids)


# texts


@given(
    before=st.text(st.characters(codec="utf-8")),
    after=st.text(st.characters(codec="utf-8")),
)
def test_a_facet_is_exactly_where_its_text_is(before: str, after: str) -> None:
    """Whatever surrounds the address, in bytes of UTF-8; no two facets overlap."""
    text = f"{before} {URL} {after}"
    facets = text_rules.record(text, URL, AT)["facets"]
    assert isinstance(facets, list)
    spans = [(each["index"]["byteStart"], each["index"]["byteEnd"], each["features"][0]) for each in facets]
    position = 0
    for start, end, feature in spans:
        assert position <= start < end <= len(text.encode())
        shown = text.encode()[start:end].decode()
        assert shown == feature["uri"] if "uri" in feature else shown[1:] == feature["tag"]
        position = end
    assert URL in [feature.get("uri") for _, _, feature in spans]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"see ({URL}), really", [URL]),
        (f"{URL}x is longer", [URL]),
        (f"{FAMILY}{URL}", [URL]),
        (f"https://other.example/a(b)?c=d. and {URL}", ["https://other.example/a(b)?c=d", URL]),
        (f"#one (#two) a#three #4 #fünf_5 {URL}#six", ["one", "two", "fünf_5", URL]),
    ],
)
def test_what_becomes_a_link_or_a_tag(text: str, found: list[str]) -> None:
    facets = text_rules.record(text, URL, AT)["facets"]
    assert isinstance(facets, list)
    assert [each["features"][0].get("uri") or each["features"][0]["tag"] for each in facets] == found


@pytest.mark.parametrize(("begin", "end"), [(-1, 2), (2, 2), (3, 2), (0, 4), (4, 5)])
def test_a_facet_outside_the_text_is_an_error(begin: int, end: int) -> None:
    """A server would accept it."""
    with pytest.raises(ValueError, match="outside"):
        text_rules.facet("abc", begin, end, {})


def test_a_text_without_links_has_no_facets() -> None:
    assert "facets" not in text_rules.record("plain", URL, AT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 300, None),
        ("x" * 301, ["301", "300"]),
        (FAMILY * 166, None),
        (FAMILY * 167, ["3006", "3000"]),
        ("e\u0301" * 300, None),
        ("\ud800", ["surrogate"]),
    ],
)
def test_the_limits_of_bluesky(text: str, words: list[str] | None) -> None:
    fault = text_rules.text_fault(text, URL)
    assert fault is None if words is None else all(word in (fault or "") for word in words)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("x" * 40, 40),
        (FAMILY * 10, 10),
        (f"{URL} and https://other.example/{'x' * 100}, too", 23 + 5 + 23 + 5),
        ("@mara@social.example hi", 8),
        ("mara@social.example hi", 22),
        (f"({URL})", 25),
        (URL + "tail", 27),
    ],
)
def test_mastodon_counts_characters_addresses_and_mentions(text: str, length: int) -> None:
    assert mastodon_text.counted_length(text, URL) == length
    fault = mastodon_text.text_fault(text, URL, Limits(characters=length - 1))
    assert fault is not None
    assert str(length) in fault
    assert mastodon_text.text_fault(text, URL, Limits(characters=length)) is None


def test_mastodon_takes_no_half_characters() -> None:
    assert "surrogate" in (mastodon_text.text_fault("\ud800", URL) or "")
