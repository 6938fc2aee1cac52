"""Takes the contents of the tables as the expected state: used after a restore from a backup.

Only once nothing is pending: the rollups are taken as they are, everything else is computed from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.expected import Correction, Expected, Link, Record
from tests.oracle.tables import Row, Tables


async def expected_from_tables(tables: Tables) -> Expected:
    """Records, links, corrections, audit and rollups."""
    found = Expected()
    for row in await _read(tables, "share_records", "platform, user_id, status, attempt_count"):
        found.records[(row[0], row[1]), row[2], row[3]] = Record(row[4] == "success", row[5])
    for row in await _read(tables, "share_links", "id, user_id, channel, campaign, deleted_at"):
        found.links[row[2]] = Link((row[0], row[1]), row[3], row[4], row[5], live=row[6] is None)
    for row in await _read(tables, "adjustments", "request_key, actor, amount, channel, campaign"):
        found.corrections[row[2]] = Correction((row[0], row[1]), row[3], row[4], row[5], row[6])
    for row in await _read(tables, "share_audit", "user_id, platform, action"):
        found.audit[row[2], (row[0], row[1]), row[3] or "", row[4]] += 1
    for row in await _read(tables, "share_rollups", "channel, evidence, made, withdrawn"):
        sides = found.rollups[(row[0], row[1]), row[2], row[3]]
        sides[0] += row[4]
        sides[1] += row[5]
    return found


async def _read(tables: Tables, table: str, columns: str) -> Iterable[Row]:
    return await tables.rows(f"SELECT content_type, content_id, {columns} FROM {table}")
