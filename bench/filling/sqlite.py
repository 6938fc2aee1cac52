"""SQLite: rows one by one in one transaction, which is the fastest way."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench.filling.plan import PLATFORMS, Plan, counted_cells, plan

_RECORDS = """
INSERT INTO share_records (id, content_type, content_id, platform, user_id, status, evidence, attempt_count,
                           first_shared_at, last_shared_at)
VALUES (?, 'video', ?, ?, ?, 'success', 'declared', 1, ?, ?)
"""
_AUDIT = """
INSERT INTO share_audit (id, at, subject_id, content_type, content_id, user_id, actor, action, platform, status,
                         request_id)
SELECT id, first_shared_at, id, content_type, content_id, user_id, user_id, 'shared', platform, 'success',
       lower(hex(id)) FROM share_records
"""


def fill(path: Path, *, records: int) -> None:
    """Fill an empty, migrated database."""
    wanted = plan(records)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("BEGIN")
        connection.executemany(_RECORDS, _rows(wanted))
        for statement in (_AUDIT, *counted_cells(wanted.at, "'{}'")):
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA optimize")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _rows(wanted: Plan) -> Iterator[tuple[object, ...]]:
    moment, each, first = wanted.at.strftime("%Y-%m-%d %H:%M:%S.%f"), wanted.each, wanted.first
    for number in range(wanted.records):
        id_ = (first + (number // 4096 << 16) + number % 4096).to_bytes(8, "big") + os.urandom(8)
        user = f"filled-{number % each // 2}"
        yield id_, f"v{number // each + 1}", PLATFORMS[number % 2], user, moment, moment
