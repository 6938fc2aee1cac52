"""Shares that are written but not counted: records and their events in the PostgreSQL database of a Sharetally.

They are what commits leave behind; the caller publishes their jobs and has them counted.
"""

from __future__ import annotations

from secrets import token_hex

import asyncpg

from bench.load.tokens import VIDEOS
from sharetally.domain.content import ContentRef
from sharetally.ports import EventRef

_SHARES = """
WITH n AS (
    SELECT i, 'v' || i % $2 + 1 AS c, (ARRAY['twitter', 'whatsapp'])[i / $2 % 2 + 1] AS p,
           $3 || '-' || i / $2 / 2 AS u,
           encode(int8send($4 + (i / 4096) * 65536 + i % 4096)
              || int8send((random() * 9e18)::bigint), 'hex')::uuid AS id
    FROM generate_series(0::bigint, $1::bigint - 1) AS i
), records AS (
    INSERT INTO share_records (id, content_type, content_id, platform, user_id, status, evidence, attempt_count,
                               first_shared_at, last_shared_at)
    SELECT id, 'video', c, p, u, 'success', 'declared', 1, now(), now() FROM n
)
INSERT INTO events (id, job, content_type, content_id, at, delta, moved, evidence, channel, campaign, platform,
                    share_id, user_id, request_id, payload)
SELECT id, 'share_created', 'video', c, now(), 1, 1, 'declared', p, '', p, id, u, replace(id::text, '-', ''), ''
FROM n ORDER BY i RETURNING id, content_id
"""
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16 | 28672"


async def insert_pending(connection: asyncpg.Connection, *, shares: int, contents: int = VIDEOS) -> list[EventRef]:
    """Write so many shares, in turn on so many videos; return their jobs in order."""
    first = await connection.fetchval(_NOW)
    rows = await connection.fetch(_SHARES, shares, contents, f"pending-{token_hex(4)}", first, timeout=120)
    await connection.execute("ANALYZE events")
    return [
        EventRef(id=row["id"], job="share_created", content=ContentRef(type="video", id=row["content_id"]))
        for row in rows
    ]
