"""The transaction that pgbench runs writes what one accepted request with two platforms writes, row for row."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest

from bench.reference.pgbench import SHARE
from tests.oracle.client import Client
from tests.oracle.system import Topology, open_system

pytestmark = pytest.mark.anyio
TABLES = ("share_records", "share_audit", "events")
OF_ITS_OWN = frozenset({"id", "content_id", "user_id", "actor", "share_id", "subject_id", "request_id"})


def _statement() -> str:
    """Without pgbench's own lines, its variables being parameters."""
    lines = [line for line in SHARE.read_text().splitlines() if not line.startswith(("\\", "--"))]
    return re.sub(r"(?<!:):([vu])\b", lambda found: {"v": "$1::int", "u": "$2::int"}[found[1]], "\n".join(lines))


async def _rows(connection: asyncpg.Connection, table: str, content_id: str) -> list[dict[str, object]]:
    """What each row holds: values where they are constant, else that there is one, and how long."""
    rows = await connection.fetch(f"SELECT * FROM {table} WHERE content_id = $1 ORDER BY platform", content_id)
    return [{name: _shape(name, value) for name, value in row.items() if value is not None} for row in rows]


def _shape(name: str, value: object) -> object:
    if name == "request_id":
        return len(str(value))
    return type(value) if name in OF_ITS_OWN or not isinstance(value, str | int) else value


async def test_both_write_the_same_rows(postgresql_url: str, amqp_url: str, tmp_path: Path) -> None:
    async with open_system(Topology(database=postgresql_url, broker=amqp_url), tmp_path) as system:
        with Client(system.port) as client:
            body = {"platforms": ["twitter", "whatsapp"]}
            answer = await client.request("POST", "/videos/ours/share", body, token=system.token()("somebody"))
        assert answer.status == 200
        connection = await asyncpg.connect(postgresql_url)
        try:
            await connection.execute(_statement(), 7, 8)
            for table in TABLES:
                ours = await _rows(connection, table, "ours")
                assert len(ours) == 2
                assert await _rows(connection, table, "v7") == ours
        finally:
            await connection.close()
