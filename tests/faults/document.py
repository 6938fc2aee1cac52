"""The last real run in docs/reliability.md: each chapter between two markers, the rest of the page is written by hand.

A run of some rows replaces the chapters that these rows belong to, and leaves the others as they are.
"""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import redis

from tests.faults.row import CHAPTERS, Row
from tests.faults.scoreboard import Outcome, as_markdown
from tests.oracle.tables import open_tables
from tests.services import Services


def markers(chapter: str) -> tuple[str, str]:
    """Where the run of a chapter begins and ends."""
    return f"<!-- make faults, {chapter}: begin -->", f"<!-- make faults, {chapter}: end -->"


async def about(services: Services, *, seed: int, seconds: float) -> dict[str, object]:
    """The run: when, how long, with which seed, on which versions."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": seed,
        "minutes": round(seconds / 60, 1),
        "versions": await _versions(services),
    }


async def _versions(services: Services) -> dict[str, str]:
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for url in filter(None, (services.postgresql, services.mysql)):
        async with open_tables(url) as tables:
            found |= server_of(str((await tables.rows("SELECT version()"))[0][0]))
    if services.amqp:
        async with await aio_pika.connect(services.amqp, timeout=10) as connection:
            assert connection.transport is not None
            found["RabbitMQ"] = _text(connection.transport.connection.server_properties["version"])
    if services.redis:
        with redis.Redis.from_url(services.redis) as client:
            found["Redis"] = str(client.info("server")["redis_version"])
    return found


def server_of(said: str) -> dict[str, str]:
    """Which server it is that says this of its version, and the version's number."""
    name = next((name for name in ("PostgreSQL", "MariaDB") if name in said), "MySQL")
    number = re.search(r"\d+(\.\d+)+", said)
    return {name: number[0] if number else said}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def write(page: Path, outcomes: Sequence[Outcome], run: dict[str, object], rows: Sequence[Row]) -> None:
    """Put the run between the page's markers, chapter by chapter."""
    text = page.read_text()
    for chapter in CHAPTERS:
        own = [row for row in rows if row.chapter == chapter]
        if own:
            begin, end = markers(chapter)
            before, rest = text.split(begin)
            _, after = rest.split(end)
            numbers = {row.number for row in own}
            found = [outcome for outcome in outcomes if outcome.row in numbers]
            text = f"{before}{begin}\n\n{generated(found, run, own)}\n\n{end}{after}"
    page.write_text(text)


def generated(outcomes: Sequence[Outcome], run: dict[str, object], rows: Sequence[Row]) -> str:
    """The run in Markdown: its circumstances, the table; then what each row does, and what it saw."""
    versions = run["versions"]
    assert isinstance(versions, dict)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    head = f"Run of {run['date']}, seed {run['seed']}, {run['minutes']} minutes. {named}."
    parts = [row_run for row in rows for row_run in _section(row, outcomes)]
    return "\n\n".join([head, as_markdown(outcomes), *parts])


def _section(row: Row, outcomes: Sequence[Outcome]) -> list[str]:
    told = [(each.database, each.told()) for each in outcomes if each.row == row.number]
    saw = [f"- {database}: {'; '.join(lines)}" for database, lines in told if lines]
    title = f"### {row.number}. {row.title[0].upper()}{row.title[1:]}"
    return [title, _unwrapped(row.description), *(["\n".join(saw)] if saw else [])]


def _unwrapped(text: str) -> str:
    """A paragraph is a line."""
    return "\n\n".join(" ".join(row_run.split()) for row_run in text.split("\n\n"))
