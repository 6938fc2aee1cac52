"""MariaDB: its SEQUENCE tables, in chunks that are small enough for its undo log."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import asyncmy

from bench.filling.plan import Plan, counted_cells, plan
from tests.services.server import run_in_thread

PIECE = 1_000_000  # records per transaction
_RECORDS = """
INSERT INTO share_records (id, content_type, content_id, platform, user_id, status, evidence, attempt_count,
                           first_shared_at, last_shared_at)
SELECT CONCAT(UNHEX(LPAD(HEX({first} + (seq DIV 4096) * 65536 + seq % 4096), 16, '0')), RANDOM_BYTES(8)), 'video',
       CONCAT('v', seq DIV {each} + 1), IF(seq % 2, 'whatsapp', 'twitter'), CONCAT('filled-', seq % {each} DIV 2),
       'success', 'declared', 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) FROM seq_{start}_to_{stop}
"""
_AUDIT = """
INSERT INTO share_audit (id, at, subject_id, content_type, content_id, user_id, actor, action, platform, status,
                         request_id)
SELECT id, first_shared_at, id, content_type, content_id, user_id, user_id, 'shared', platform, 'success', HEX(id)
FROM share_records
"""
_TABLES = "share_records, share_audit, share_totals, share_counts, share_rollups"


def fill(url: str, *, records: int) -> None:
    """Fill an empty, migrated database."""
    run_in_thread(_fill(url, plan(records)))


async def _fill(url: str, wanted: Plan) -> None:
    at = urlsplit(url)
    connection = await asyncmy.connect(
        host=at.hostname or "127.0.0.1", port=at.port or 3306, user=unquote(at.username or "root"),
        password=unquote(at.password or ""), db=at.path.lstrip("/"), autocommit=True,
    )  # fmt: skip
    try:
        async with connection.cursor() as cursor:
            for start in range(0, wanted.records, PIECE):
                stop = min(wanted.records, start + PIECE) - 1
                await cursor.execute(_RECORDS.format(first=wanted.first, each=wanted.each, start=start, stop=stop))
            for statement in (_AUDIT, *counted_cells(wanted.at, "TIMESTAMP'{}'")):
                await cursor.execute(statement)
            await cursor.execute(f"ANALYZE TABLE {_TABLES}")
    finally:
        await connection.ensure_closed()
