"""The counts compared with what was promised: the tables, cell by cell, and the answers to requests for counts.

A counted cell that has returned to zero may be zero or absent; everything else must be exact.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.oracle.client import Client
from tests.oracle.client_requests.client_request import content_fields, content_path
from tests.oracle.expected import CellKey, Content, Expected
from tests.oracle.tables import Tables

AT_ONCE = 200  # content items in one request
EXACT = 50  # content items whose exact count is requested as well
CACHED = 20.0  # seconds within which an announced count must have arrived everywhere


async def compare_tables(tables: Tables, expected: Expected) -> list[str]:
    """Totals, cells and rollups."""
    found: dict[CellKey, int] = {}
    for kind, name, shares in await tables.rows("SELECT content_type, content_id, shares FROM share_totals"):
        found[(kind, name), "total", ""] = shares
    columns = "content_type, content_id, dimension, value, shares"
    for kind, name, dimension, value, shares in await tables.rows(f"SELECT {columns} FROM share_counts"):
        found[(kind, name), dimension, value] = shares
    return [*_difference("cell", expected.cells(), found), *await _rollups(tables, expected)]


async def _rollups(tables: Tables, expected: Expected) -> list[str]:
    columns = "content_type, content_id, channel, evidence, made, withdrawn"
    made: Counter[Any] = Counter()
    withdrawn: Counter[Any] = Counter()
    for kind, name, channel, evidence, *amounts in await tables.rows(f"SELECT {columns} FROM share_rollups"):
        made[(kind, name), channel, evidence] += amounts[0]
        withdrawn[(kind, name), channel, evidence] += amounts[1]
    return [
        *_difference("made", {key: sides[0] for key, sides in expected.rollups.items()}, made),
        *_difference("withdrawn", {key: sides[1] for key, sides in expected.rollups.items()}, withdrawn),
    ]


def _difference(what: str, promised: Mapping[Any, int], found: Mapping[Any, int]) -> list[str]:
    return [
        f"{what} {key}: {promised.get(key, 0)} promised, {found.get(key, 0)} stand"
        for key in promised.keys() | found.keys()
        if promised.get(key, 0) != found.get(key, 0)
    ]


Shown = dict[str, Any]


def shown_counts(expected: Expected) -> dict[Content, Shown]:
    """What a count's answer must say, for every content that was ever touched."""
    cells: defaultdict[Content, Counter[tuple[str, str]]] = defaultdict(Counter)
    for (content, dimension, value), shares in expected.cells().items():
        cells[content][dimension, value] = shares
    touched = cells.keys() | {content for content, _, _ in expected.rollups}
    return {content: _shown(content, cells[content]) for content in touched}


def _shown(content: Content, cells: Mapping[tuple[str, str], int]) -> Shown:
    breakdown: dict[str, dict[str, int]] = {"evidence": {}, "channel": {}, "campaign": {}}
    for (dimension, value), shares in cells.items():
        if dimension in breakdown and shares > 0:
            breakdown[dimension][value or "none"] = shares
    return {**content_fields(content), "shareCount": max(cells.get(("total", ""), 0), 0), "breakdown": breakdown}


async def compare_answers(port: int, token: str, promised: Mapping[Content, Shown], max_seconds: float) -> list[str]:
    """Exact counts at once; plain counts once announcements had time to arrive, at most `max_seconds` seconds."""
    with Client(port) as client:
        sample = sorted(promised, key=lambda content: -promised[content]["shareCount"])[:EXACT]
        wrong = await _exact(client, token, {content: promised[content] for content in sample})
        return [*wrong, *await _plain(client, promised, min(CACHED, max_seconds))]


async def _exact(client: Client, token: str, promised: Mapping[Content, Shown]) -> list[str]:
    wrong = []
    for content, right in promised.items():
        response = await client.request(
            "GET", f"/share-links/count/{content_path(content)}?consistent=true", token=token
        )
        if response.status != 200 or not right.items() <= response.json().items():
            wrong.append(f"exact count: {right} promised, answered {response}")
    return wrong


async def _plain(client: Client, promised: Mapping[Content, Shown], max_seconds: float) -> list[str]:
    deadline = time.monotonic() + max_seconds
    contents: Sequence[Content] = list(promised)
    while True:
        wrong = await _ask(client, contents, promised)
        if not wrong or time.monotonic() > deadline:
            return list(wrong.values())
        contents = list(wrong)
        await asyncio.sleep(0.2)


async def _ask(client: Client, contents: Sequence[Content], promised: Mapping[Content, Shown]) -> dict[Content, str]:
    wrong: dict[Content, str] = {}
    for start in range(0, len(contents), AT_ONCE):
        some = contents[start : start + AT_ONCE]
        response = await client.request(
            "POST", "/share-links/counts", {"contents": [content_fields(content) for content in some]}
        )
        assert response.status == 200, response
        wrong |= _wrong(some, response.json()["counts"], promised)
    return wrong


def _wrong(some: Iterable[Content], counts: Sequence[Shown], promised: Mapping[Content, Shown]) -> dict[Content, str]:
    return {
        content: f"count: {promised[content]} promised, answered {found}"
        for content, found in zip(some, counts, strict=True)
        if not promised[content].items() <= found.items()
    }
