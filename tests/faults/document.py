"""The last real run in docs/reliability.md: between two markers, the rest of the page is written by hand."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import redis

from tests.faults.scoreboard import Outcome, as_markdown
from tests.oracle.tables import open_tables
from tests.services import Services

BEGIN = "<!-- make faults: begin -->"
END = "<!-- make faults: end -->"


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
    for name, url in (("PostgreSQL", services.postgresql), ("MariaDB or MySQL", services.mysql)):
        if url:
            async with open_tables(url) as tables:
                found[name] = str((await tables.rows("SELECT version()"))[0][0]).split(" on ")[0]
    if services.amqp:
        async with await aio_pika.connect(services.amqp, timeout=10) as connection:
            assert connection.transport is not None
            found["RabbitMQ"] = _text(connection.transport.connection.server_properties["version"])
    if services.redis:
        with redis.Redis.from_url(services.redis) as client:
            found["Redis"] = str(client.info("server")["redis_version"])
    return found


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def write(page: Path, outcomes: Sequence[Outcome], run: dict[str, object]) -> None:
    """Put the run between the page's markers."""
    text = page.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{generated(outcomes, run)}\n\n{END}{after}")


def generated(outcomes: Sequence[Outcome], run: dict[str, object]) -> str:
    """The run in Markdown: its circumstances, the table, and what each row saw."""
    versions = run["versions"]
    assert isinstance(versions, dict)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    stories = [f"- **{each.row}, {each.database}**: {'; '.join(each.told())}" for each in outcomes if each.told()]
    head = f"Run of {run['date']}, seed {run['seed']}, {run['minutes']} minutes. {named}."
    return "\n\n".join([head, as_markdown(outcomes), "What each row saw:", "\n".join(stories)])
