"""PostgreSQL: `generate_series`, then statistics, as autovacuum would have gathered them long ago."""

from __future__ import annotations

import asyncpg

from bench.filling.plan import Plan, counted_cells, plan
from tests.services.server import run_in_thread

# The numbers, as record {i}: {c} its video, {p} its platform, {u} its user.
_NUMBERS = """
SELECT i, 'v' || i / {each} + 1 AS c, (ARRAY['twitter', 'whatsapp'])[i % 2 + 1] AS p, 'filled-' || i % {each} / 2 AS u,
       encode(int8send({first} + (i / 4096) * 65536 + i % 4096)
              || int8send((random() * 9e18)::bigint), 'hex')::uuid AS id
FROM generate_series(0::bigint, {last}) AS i
"""
_RECORDS = """
INSERT INTO share_records (id, content_type, content_id, platform, user_id, status, evidence, attempt_count,
                           first_shared_at, last_shared_at)
SELECT id, 'video', c, p, u, 'success', 'declared', 1, now(), now() FROM ({numbers}) AS n
"""
_AUDIT = """
INSERT INTO share_audit (id, at, subject_id, content_type, content_id, user_id, actor, action, platform, status,
                         request_id)
SELECT id, now(), id, content_type, content_id, user_id, user_id, 'shared', platform, 'success',
       replace(id::text, '-', '') FROM share_records
"""
_TABLES = ("share_records", "share_audit", "share_totals", "share_counts", "share_rollups")


def fill(url: str, *, records: int) -> None:
    """Fill an empty, migrated database."""
    run_in_thread(_fill(url, plan(records)))


async def _fill(url: str, wanted: Plan) -> None:
    connection = await asyncpg.connect(url, server_settings={"TimeZone": "UTC"})
    try:
        numbers = _NUMBERS.format(each=wanted.each, first=wanted.first, last=wanted.records - 1)
        for statement in (_RECORDS.format(numbers=numbers), _AUDIT, *counted_cells(wanted.at, "TIMESTAMPTZ '{}'")):
            await connection.execute(statement)
        for table in _TABLES:
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
