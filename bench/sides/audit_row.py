"""A row for two databases: the first page of the audit with each of many filters.

The result is that of the slowest filter, because an auditor waits for that one. Each filter is run several times and
its median counts, like the second search of an auditor; the very first run is in the notes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import UUID

from bench.alternate import alternate, figure
from bench.filling import audit
from bench.harness import BenchHarness
from bench.row import Measurement, Row
from sharetally.adapters.databases.database import SqlDatabase, database_from_url
from sharetally.ports import AuditFilter

FEW = 10_000
PAGE = 51  # lines: fifty and whether there are more
TIMES = 5
MILLISECONDS = 1000


def audit_row(name: str, kind: str, order: int) -> Row:
    """The row of one kind of database."""

    async def measure(harness: BenchHarness) -> Measurement:
        return await _measured(harness, kind)

    return Row(
        name=name,
        order=order,
        ours=f"the audit's slowest filter with 10,000,000 lines, {kind}",
        reference="with 10,000",
        unit="ms/page",
        measure=measure,
        full=True,
    )


async def _measured(harness: BenchHarness, kind: str) -> Measurement:
    lines = harness.options.records
    async with _audit(harness, kind, lines) as many, _audit(harness, kind, FEW) as few:
        first = await _pages(many, filters(many_lines := await random_line(many)), times=1)
        notes = [f"{lines:,} lines in {kind}, {len(first)} filters; first run: {_slowest(first)}"]

        async def ours() -> float:
            found = await _pages(many, filters(many_lines))
            notes.append(_slowest(found))
            return max(found.values())

        async def theirs() -> float:
            return max((await _pages(few, filters(await random_line(few)))).values())

        return await alternate(harness.options.pairs, ours, theirs, notes=notes)


@asynccontextmanager
async def _audit(harness: BenchHarness, kind: str, lines: int) -> AsyncIterator[SqlDatabase]:
    empty = harness.postgresql_database() if kind == "postgresql" else harness.mariadb_database()
    url = await asyncio.to_thread(empty.__enter__)
    try:
        harness.migrate(url)
        await asyncio.to_thread(audit.fill, url, lines=lines)
        store = database_from_url(url)
        await store.open()
        try:
            yield store
        finally:
            await store.close()
    finally:
        await asyncio.to_thread(empty.__exit__, None, None, None)


async def random_line(store: SqlDatabase) -> tuple[UUID, str, UUID]:
    """A line from the middle of the ninety days: its id, its request and its subject."""
    middle = datetime.now(UTC) - audit.SPAN / 2
    line = (await store.audit.page(AuditFilter(end=middle), limit=1, after=None))[0]
    return line.id, line.request_id, line.subject_id


def filters(line: tuple[UUID, str, UUID]) -> Mapping[str, tuple[AuditFilter, UUID | None]]:
    """Each by its name, and after which line its page begins."""
    middle, request_id, subject_id = line
    now = datetime.now(UTC)
    old = {"start": now - timedelta(days=60), "end": now - timedelta(days=59)}
    first = {
        "all": AuditFilter(),
        "a day": AuditFilter(**old),  # type: ignore[arg-type]
        "hot content item": AuditFilter(content_type="video", content_id="hot"),
        "content": AuditFilter(content_type="photo", content_id="c5"),
        "content id alone": AuditFilter(content_id="hot"),
        "content type alone": AuditFilter(content_type="photo"),
        "no such content": AuditFilter(content_id="nothing"),
        "busy user": AuditFilter(user_id="busy"),
        "person": AuditFilter(user_id="u4711"),
        "no such person": AuditFilter(user_id="nobody"),
        "platform": AuditFilter(platform="twitter"),
        "rare platform": AuditFilter(platform="native"),
        "no such platform": AuditFilter(platform="nothing"),
        "action": AuditFilter(action="shared"),
        "rare action": AuditFilter(action="unknown"),
        "action of links": AuditFilter(action="link_created"),
        "status": AuditFilter(status="failed"),
        "rare status": AuditFilter(status="unknown"),
        "platform and rare action": AuditFilter(platform="facebook", action="unknown"),
        "rare platform and status": AuditFilter(platform="native", status="withdrawn"),
        "platform on a day": AuditFilter(platform="linkedin", **old),  # type: ignore[arg-type]
        "content type and rare action": AuditFilter(content_type="article", action="unknown"),
        "hot content item, rare action": AuditFilter(content_type="video", content_id="hot", action="unknown"),
        "hot content item, rare platform": AuditFilter(content_type="video", content_id="hot", platform="native"),
        "hot content item, busy user": AuditFilter(content_type="video", content_id="hot", user_id="busy"),
        "busy user, rare action": AuditFilter(user_id="busy", action="unknown"),
        "busy user, platform": AuditFilter(user_id="busy", platform="linkedin"),
        "busy user on a day": AuditFilter(user_id="busy", **old),  # type: ignore[arg-type]
        "request": AuditFilter(request_id=request_id),
        "record": AuditFilter(subject_id=subject_id),
    }
    later = ("all", "hot content item", "busy user", "platform", "status", "content type alone")
    return {name: (each, None) for name, each in first.items()} | {
        f"{name}, from the middle": (first[name], middle) for name in later
    }


async def _pages(
    store: SqlDatabase, wanted: Mapping[str, tuple[AuditFilter, UUID | None]], *, times: int = TIMES
) -> Mapping[str, float]:
    """Milliseconds a page, by filter."""
    return {name: median([await _page(store, *each) for _ in range(times)]) for name, each in wanted.items()}


async def _page(store: SqlDatabase, wanted: AuditFilter, after: UUID | None) -> float:
    began = time.perf_counter()
    await store.audit.page(wanted, limit=PAGE, after=after)
    return (time.perf_counter() - began) * MILLISECONDS


def _slowest(pages: Mapping[str, float]) -> str:
    three = sorted(pages, key=lambda name: pages[name], reverse=True)[:3]
    return "slowest: " + ", ".join(f"{name} {figure(pages[name])} ms" for name in three)
