"""An audit after years of use: some content items and people have most of the lines, some kinds have hardly any.

The lines are spread evenly over ninety days, in the order of their numbers. Of a hundred lines, thirty are about one
content item and twenty by one person; one platform has one line in ten thousand, one action one in a hundred
thousand. The indexes are created at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import asyncmy
import asyncpg
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from sharetally.adapters.databases.tables import share_audit
from tests.services.server import run_in_thread

SPAN = timedelta(days=90)
PIECE = 1_000_000  # lines per transaction on MariaDB
ODD = 7_919  # a prime, so that frequent values are spread everywhere
COMMON = """
CASE WHEN i * {odd} % 100 < 30 THEN 'video' ELSE {pick_type} END AS kind,
CASE WHEN i * {odd} % 100 < 30 THEN 'hot' ELSE CONCAT('c', i * 31 % 20000) END AS content,
CASE WHEN i * 3 % 100 < 20 THEN 'busy' ELSE CONCAT('u', i * 17 % 500000) END AS person,
CASE WHEN i % 50 = 7 THEN NULL WHEN i % 10000 = 33 THEN 'native' WHEN i % 100 < 50 THEN 'twitter'
     WHEN i % 100 < 80 THEN 'whatsapp' WHEN i % 100 < 98 THEN 'facebook' ELSE 'linkedin' END AS platform,
CASE WHEN i % 50 = 7 THEN 'link_created' WHEN i % 100000 = 99 THEN 'unknown' WHEN i % 1000 = 500 THEN 'failed'
     WHEN i % 10 < 8 THEN 'shared' WHEN i % 10 = 8 THEN 'reshared' ELSE 'withdrawn' END AS action
"""
STATUS = """
CASE action WHEN 'link_created' THEN NULL WHEN 'unknown' THEN 'unknown' WHEN 'failed' THEN 'failed'
            WHEN 'withdrawn' THEN 'withdrawn' ELSE 'success' END
"""
_INTO = """
INSERT INTO share_audit (id, at, subject_id, content_type, content_id, user_id, actor, action, platform, status,
                         request_id)
"""
_POSTGRESQL = """
SELECT encode(int8send(ms * 65536 + 28672 + i % 4096) || int8send((random() * 9e18)::bigint), 'hex')::uuid,
       to_timestamp(ms / 1000.0), ('00000000-0000-7000-8000-' || lpad(to_hex(i % {records_each}), 12, '0'))::uuid,
       kind, content, person, person, action, platform, {status}, to_hex(ms) || '-' || i / 3
FROM (SELECT i, {began} + i * {span} / {lines} AS ms, {common} FROM generate_series(0::bigint, {last}) AS i) AS line
"""
_MARIADB = """
SELECT CONCAT(UNHEX(LPAD(HEX(ms * 65536 + 28672 + i % 4096), 16, '0')), RANDOM_BYTES(8)),
       TIMESTAMPADD(MICROSECOND, ms * 1000, TIMESTAMP'1970-01-01 00:00:00'),
       UNHEX(CONCAT('00000000000070008000', LPAD(HEX(i % {records_each}), 12, '0'))),
       kind, content, person, person, action, platform, {status}, CONCAT(LOWER(HEX(ms)), '-', i DIV 3)
FROM (SELECT i, {began} + i * {span} DIV {lines} AS ms, {common}
      FROM (SELECT seq AS i FROM seq_{start}_to_{stop}) AS numbers) AS line
"""


def fill(url: str, *, lines: int) -> None:
    """Fill the empty audit of a migrated database, PostgreSQL or MariaDB."""
    run_in_thread(_postgresql(url, lines) if urlsplit(url).scheme == "postgresql" else _mariadb(url, lines))


def _numbers(lines: int) -> dict[str, object]:
    began = int((datetime.now(UTC) - SPAN).timestamp() * 1000)
    span = int(SPAN.total_seconds() * 1000)
    return {"began": began, "span": span, "lines": lines, "records_each": max(1, lines // 3), "status": STATUS}


def _indexes(kind: str) -> Iterator[tuple[str, str]]:
    """How each index is dropped and created, in the order of their names."""
    dialect = sa.make_url(kind).get_dialect()()
    for index in sorted(share_audit.indexes, key=lambda each: str(each.name)):
        place = " ON share_audit" if dialect.name == "mysql" else ""
        yield f"DROP INDEX {index.name}{place}", str(CreateIndex(index).compile(dialect=dialect))


async def _postgresql(url: str, lines: int) -> None:
    common = COMMON.format(odd=ODD, pick_type="(ARRAY['video', 'article', 'photo'])[i % 3 + 1]")
    wanted = _INTO + _POSTGRESQL.format(**_numbers(lines), common=common, last=lines - 1)
    indexes = list(_indexes("postgresql+asyncpg://"))
    connection = await asyncpg.connect(url, server_settings={"TimeZone": "UTC"})
    try:
        for statement in (*(drop for drop, _ in indexes), wanted, *(make for _, make in indexes)):
            await connection.execute(statement)
        await connection.execute("VACUUM (ANALYZE) share_audit")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _mariadb(url: str, lines: int) -> None:
    at = urlsplit(url)
    common = COMMON.format(odd=ODD, pick_type="ELT(i % 3 + 1, 'video', 'article', 'photo')")
    indexes = list(_indexes("mysql+asyncmy://"))
    connection = await asyncmy.connect(
        host=at.hostname or "127.0.0.1", port=at.port or 3306, user=unquote(at.username or "root"),
        password=unquote(at.password or ""), db=at.path.lstrip("/"), autocommit=True,
    )  # fmt: skip
    try:
        async with connection.cursor() as cursor:
            for drop, _ in indexes:
                await cursor.execute(drop)
            for start in range(0, lines, PIECE):
                stop = min(lines, start + PIECE) - 1
                await cursor.execute(_INTO + _MARIADB.format(**_numbers(lines), common=common, start=start, stop=stop))
            for _, make in indexes:
                await cursor.execute(make)
            await cursor.execute("ANALYZE TABLE share_audit")
    finally:
        await connection.ensure_closed()
