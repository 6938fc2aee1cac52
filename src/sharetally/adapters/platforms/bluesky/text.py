"""How Bluesky counts a text, and the record that a text becomes (lexicons app.bsky.feed.post, app.bsky.richtext.facet).

A link works only through a facet, which names its place by UTF-8 bytes. The server accepts a facet that lies outside
the text or in the middle of a character, so the places are checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import regex

from sharetally.domain.text_rule import TextRule, TextUnit

COLLECTION = "app.bsky.feed.post"
LIMIT, MAX_BYTES = 300, 3_000
RULE = TextRule(unit=TextUnit.GRAPHEMES, limit=LIMIT)
_GRAPHEME = regex.compile(r"\X")
_URL = regex.compile(r"(?<!\w)https?://[^\s<>\"]+")
_TAG = regex.compile(r"(?<![^\s(])[#＃](?!\d+(?:\W|$))([\p{L}\p{M}\p{N}_]{1,64})(?![\p{L}\p{M}\p{N}_])")
_TRAILING = ".,:;!?'\")]}"
_TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"


def grapheme_count(text: str) -> int:
    """The number of characters that a person sees (UAX 29), which is what Bluesky limits."""
    return len(_GRAPHEME.findall(text))


def text_fault(text: str, url: str) -> str | None:
    """Why Bluesky would refuse this text, or None."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "The text has half a character (an unpaired surrogate), which Bluesky does not accept."
    length = grapheme_count(text)
    if length > LIMIT:
        return f"The text has {length} characters as Bluesky counts them; the limit is {LIMIT}."
    if size > MAX_BYTES:
        return f"The text has {size} bytes in UTF-8; the limit of Bluesky is {MAX_BYTES}."
    return None


def record(text: str, url: str, created_at: str) -> dict[str, object]:
    """The record of a post; the same arguments always give the same bytes, by which the server knows a repetition."""
    found = [facet(text, begin, end, feature) for begin, end, feature in _features(text, url)]
    return {"$type": COLLECTION, "text": text, "createdAt": created_at, **({"facets": found} if found else {})}


def facet(text: str, begin: int, end: int, feature: dict[str, str]) -> dict[str, object]:
    """A facet over the characters from `begin` to `end`; `ValueError` if they are not inside the text."""
    if not 0 <= begin < end <= len(text):
        raise ValueError(f"a facet from {begin} to {end} is outside a text of {len(text)} characters")
    start = len(text[:begin].encode())
    index = {"byteStart": start, "byteEnd": start + len(text[begin:end].encode())}
    return {"$type": "app.bsky.richtext.facet", "index": index, "features": [feature]}


def timestamp(at: datetime) -> str:
    """A time as Bluesky's own clients write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record_key(post_id: UUID) -> str:
    """The TID of a post (atproto.com, record key): its microseconds, and ten bits that tell apart those of one of them.

    A UUIDv7 has the milliseconds in its first 48 bits and twelve bits of their fraction after the version. There are
    four fractions in a microsecond, so the last two bits of the fraction are part of the ten; the others are random.
    """
    milliseconds, fraction = post_id.int >> 80, post_id.int >> 64 & 0xFFF
    microseconds = milliseconds * 1000 + (fraction * 1000 >> 12)
    number = (microseconds & (1 << 53) - 1) << 10 | (fraction & 0b11) << 8 | post_id.int & 0xFF
    return "".join(_TID_DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def _features(text: str, url: str) -> Iterator[tuple[int, int, dict[str, str]]]:
    """The links and tags, in order and apart from each other; the post's own address first of all."""
    places = list[tuple[int, int, dict[str, str]]]()
    if (begin := text.find(url)) >= 0:
        places.append((begin, begin + len(url), _link(url)))
    for found in _URL.finditer(text):
        address = found[0].rstrip(_TRAILING)
        places.append((found.start(), found.start() + len(address), _link(address)))
    for found in _TAG.finditer(text):
        places.append((found.start(), found.end(), {"$type": "app.bsky.richtext.facet#tag", "tag": found[1]}))
    taken = list[tuple[int, int, dict[str, str]]]()
    for place in places:
        if all(place[1] <= begin or end <= place[0] for begin, end, _ in taken):
            taken.append(place)
    yield from sorted(taken, key=lambda place: place[0])


def _link(address: str) -> dict[str, str]:
    return {"$type": "app.bsky.richtext.facet#link", "uri": address}
