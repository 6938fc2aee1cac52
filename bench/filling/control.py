"""The ledger of the usual way, as full as Sharetally's: the same videos, platforms and number of records."""

from __future__ import annotations

import asyncpg

from bench.filling.plan import plan
from tests.services.server import run_in_thread

_RECORDS = """
INSERT INTO video_share_records (video_id, platform, user_id, status, attempt_count)
SELECT 'v' || i / {each} + 1, (ARRAY['twitter', 'whatsapp'])[i % 2 + 1], 'filled-' || i % {each} / 2, 'success', 1
FROM generate_series(0::bigint, {last}) AS i
"""
_AUDIT = """
INSERT INTO video_share_audit (record_id, video_id, platform, user_id, status)
SELECT id, video_id, platform, user_id, status FROM video_share_records
"""
_COUNTS = """
INSERT INTO share_counts (content_type, content_id, share_count)
SELECT 'video', video_id, count(*) FROM video_share_records GROUP BY video_id
"""
_TABLES = ("video_share_records", "video_share_audit", "share_counts")


def fill(url: str, *, records: int) -> None:
    """Fill empty tables."""
    run_in_thread(_fill(url, records))


async def _fill(url: str, records: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_RECORDS.format(each=plan(records).each, last=records - 1))
        await connection.execute(_AUDIT)
        await connection.execute(_COUNTS)
        for table in _TABLES:
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
