"""The log of deliveries keeps what was given up for as many days as DELIVERY_LOG_DAYS says."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.adapters.migrations.runner import upgrade
from sharetally.flow.delivery import loop
from sharetally.settings import load
from sharetally.wiring import Core

pytestmark = pytest.mark.anyio
DAYS_AGO = (1, 3, 8)


def kept(database: Path) -> set[str]:
    """The keys of what the log still contains."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT key FROM delivery_log").fetchall()
    connection.close()
    return {key for (key,) in rows}


def log_cancelled(database: Path) -> None:
    """A cancelled delivery for each number of days ago, with that number as its key."""
    with sqlite3.connect(database) as connection:
        for days in DAYS_AGO:
            at = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.%f")
            connection.execute(
                "INSERT INTO delivery_log (id, kind, target, key, outcome, attempts, created_at, finished_at) "
                "VALUES (?, 'post', 'twitter', ?, 'cancelled', 0, ?, ?)",
                (days.to_bytes(16, "big"), str(days), at, at),
            )
    connection.close()


@pytest.mark.parametrize(("days", "expected"), [({}, {"1", "3"}), ({"DELIVERY_LOG_DAYS": "2"}, {"1"})])
async def test_cancelled_deliveries_are_deleted_after_the_configured_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: dict[str, str], expected: set[str]
) -> None:
    monkeypatch.setattr(loop, "HOUSEKEEPING_SECONDS", 0.02)
    database = tmp_path / "sharetally.db"
    upgrade(f"sqlite:///{database}")
    log_cancelled(database)
    assert len(kept(database)) == len(DAYS_AGO)
    environment = {f"SHARETALLY_{name}": value for name, value in days.items()}
    settings = load({"SHARETALLY_DATA_DIR": str(tmp_path), **environment}, cwd=tmp_path)
    async with Core(settings, role="serve") as core:
        stop = asyncio.Event()
        delivering = asyncio.create_task(core.delivery_loop().run(stop))
        async with asyncio.timeout(20):
            while kept(database) != expected:  # noqa: ASYNC110, another process would have to say so
                await asyncio.sleep(0.02)
        stop.set()
        await delivering
