"""Compares the ledger's tables with what was promised: records, links, corrections, audit.

Nothing may be missing and nothing may be too many: the database is the run's own, so every row in it is one
that an answer promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.expected import Expected
from tests.oracle.tables import Tables


@dataclass(slots=True)
class Compared:
    """The rows that are missing, and the rows that were never promised."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)

    def hold(self, what: str, promised: Mapping[Any, Hashable], found: Mapping[Any, Hashable]) -> None:
        """Rows by key: each there, as promised, and none besides."""
        for key, value in promised.items():
            if found.get(key) != value:
                self.lost.append(f"{what} {key}: {value} promised, {found.get(key, 'nothing')} stands")
        self.duplicated += [f"{what} {key}: {found[key]} stands, never promised" for key in found.keys() - promised]

    def count(self, what: str, promised: Counter[Any], found: Counter[Any]) -> None:
        """Rows that are counted: as many as promised."""
        for key in promised.keys() | found.keys():
            line = f"{what} {key}: {promised[key]} promised, {found[key]} stand"
            if found[key] < promised[key]:
                self.lost.append(line)
            elif found[key] > promised[key]:
                self.duplicated.append(line)


async def compare_ledger(tables: Tables, expected: Expected, compared: Compared) -> None:
    """All four tables."""
    await _records(tables, expected, compared)
    await _links(tables, expected, compared)
    await _corrections(tables, expected, compared)
    await _audit(tables, expected, compared)


async def _records(tables: Tables, expected: Expected, compared: Compared) -> None:
    columns = "content_type, content_id, platform, user_id, status, evidence, attempt_count"
    rows = await tables.rows(f"SELECT {columns} FROM share_records")
    found = {((row[0], row[1]), row[2], row[3]): row[4:] for row in rows}
    promised: dict[Any, Hashable] = {
        key: ("success" if record.live else "withdrawn", "declared", record.attempts)
        for key, record in expected.records.items()
    }
    compared.hold("record", promised, found)


async def _links(tables: Tables, expected: Expected, compared: Compared) -> None:
    columns = "id, content_type, content_id, user_id, channel, campaign, deleted_at"
    rows = await tables.rows(f"SELECT {columns} FROM share_links")
    found = {row[0]: ((row[1], row[2]), row[3], row[4], row[5], row[6] is None) for row in rows}
    promised: dict[Any, Hashable] = {
        key: (link.content, link.user, link.channel, link.campaign, link.live) for key, link in expected.links.items()
    }
    compared.hold("link", promised, found)


async def _corrections(tables: Tables, expected: Expected, compared: Compared) -> None:
    columns = "request_key, content_type, content_id, actor, amount, channel, campaign"
    rows = await tables.rows(f"SELECT {columns} FROM adjustments")
    found = {row[0]: ((row[1], row[2]), *row[3:]) for row in rows}
    promised: dict[Any, Hashable] = {
        key: (item.content, item.user, item.amount, item.channel, item.campaign)
        for key, item in expected.corrections.items()
    }
    compared.hold("adjustment", promised, found)


async def _audit(tables: Tables, expected: Expected, compared: Compared) -> None:
    rows = await tables.rows("SELECT user_id, content_type, content_id, platform, action FROM share_audit")
    found = Counter((row[0], (row[1], row[2]), row[3] or "", row[4]) for row in rows)
    compared.count("audit", expected.audit, found)
