"""A thousand jobs, one of them poison: the others are counted, it is parked with its reason, nothing drifts.

The poison is a trigger that lets nobody count one content: the event's own row is in order, counting it fails.
Mended, the job is replayed and counted; another one is given up, which the ledger says too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.journey.asking import Caller
from tests.oracle.system import Shape, System, open_system
from tests.oracle.tables import Tables, open_tables, waiting

pytestmark = pytest.mark.anyio

POISON = "video/poison"
USERS = 333
PATIENCE = 60.0

_RAISE = {
    "postgresql": [
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.content_id = 'poison' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER refuse_insert BEFORE INSERT OR UPDATE ON share_totals FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
    "mysql": [
        f"CREATE TRIGGER refuse_{verb} BEFORE {verb} ON share_totals FOR EACH ROW IF NEW.content_id = 'poison' "
        "THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF"
        for verb in ("INSERT", "UPDATE")
    ],
}
_MEND = {
    "postgresql": ["DROP TRIGGER refuse_insert ON share_totals"],
    "mysql": ["DROP TRIGGER refuse_INSERT", "DROP TRIGGER refuse_UPDATE"],
}


class Clinic:
    """A system, its tables, and one admin who looks."""

    def __init__(self, system: System, tables: Tables, root: Caller) -> None:
        self.system = system
        self.root = root
        self._tables = tables
        self._kind = system.database.split(":", 1)[0]

    async def poison(self) -> None:
        await self._tables.run(*_RAISE[self._kind])

    async def mend(self) -> None:
        await self._tables.run(*_MEND[self._kind])

    async def share(self, user: str, content: str, *platforms: str) -> None:
        with Caller(self.system.port, self.system.token()(user)) as caller:
            answer = await caller.ask("POST", f"/content/{content}/share", {"platforms": platforms})
            assert answer.status == 200, answer

    async def becomes(self, *, parked: int) -> None:
        """Nothing pending, so many parked; and no drift."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if await waiting(self._tables) == (0, parked):
                break
            await asyncio.sleep(0.05)
        assert await waiting(self._tables) == (0, parked)
        verified = await self.system.cli("verify", "--json")
        assert (verified.code, verified.json()["drift"]) == (0, 0), verified

    async def count(self, content: str) -> int:
        answer = await self.root.ask("GET", f"/share-links/count/{content}")
        return int(answer.json()["shareCount"])

    async def parked(self) -> dict[str, Any]:
        [job] = (await self.system.cli("dead", "list", "--json")).json()
        assert isinstance(job, dict)
        return job


@pytest.fixture
async def clinic(shape: Shape, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_system(shape, tmp_path))
        tables = await stack.enter_async_context(open_tables(system.database))
        root = stack.enter_context(Caller(system.port, system.token("shares audit analytics admin")("root")))
        yield Clinic(system, tables, root)


@pytest.mark.parametrize("shape", ["postgresql", "mysql"], indirect=True)
async def test_one_poisonous_job_among_a_thousand(clinic: Clinic) -> None:
    await clinic.poison()
    await thousand_jobs(clinic)
    await clinic.becomes(parked=1)
    assert [await clinic.count(f"video/good-{n}") for n in range(3)] == [USERS] * 3
    assert await clinic.count(POISON) == 0
    await replayed(clinic)
    await discarded(clinic)


async def thousand_jobs(clinic: Clinic) -> None:
    """Three platforms of 333 users, and in the midst of them the one."""
    platforms = ("twitter", "whatsapp", "facebook")
    for start in range(0, USERS, 37):
        users = range(start, min(start + 37, USERS))
        shares = [
            clinic.share(f"user-{n}", f"video/good-{place}", p) for n in users for place, p in enumerate(platforms)
        ]
        await asyncio.gather(*shares, *([clinic.share("ann", POISON, "twitter")] if start == 148 else []))


async def replayed(clinic: Clinic) -> None:
    job = await clinic.parked()
    assert (job["contentId"], job["delta"], job["userId"]) == ("poison", 1, "ann")
    assert job["reason"]
    await clinic.mend()
    said = await clinic.system.cli("dead", "replay", job["jobId"])
    assert said.code == 0, said
    await clinic.becomes(parked=0)
    assert await clinic.count(POISON) == 1


async def discarded(clinic: Clinic) -> None:
    await clinic.poison()
    await clinic.share("bob", POISON, "whatsapp")
    await clinic.becomes(parked=1)
    job = await clinic.parked()
    said = await clinic.system.cli("dead", "discard", job["jobId"], "--reason", "a test", "--author", "root")
    assert said.code == 0, said
    await clinic.mend()
    await clinic.becomes(parked=0)
    assert await clinic.count(POISON) == 1
    trail = (await clinic.root.ask("GET", "/audit?contentType=video&contentId=poison&action=discarded")).json()["items"]
    assert [(line["actor"], line["userId"]) for line in trail] == [("root", "bob")]
