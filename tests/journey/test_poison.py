"""A thousand jobs, one of them poison: the others are counted, it is parked with its reason, nothing drifts.

The poison is a trigger that fails the counting of one content item: the event's own row is correct. Once it is
fixed, the job is replayed and counted; another one is discarded, which the ledger then shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.journey.caller import Caller
from tests.oracle.system import System, Topology, open_system
from tests.oracle.tables import Tables, open_tables, pending_and_parked

pytestmark = pytest.mark.anyio

POISON = "video/poison"
USERS = 333
TIMEOUT = 60.0

_BREAK = {
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
_FIX = {
    "postgresql": ["DROP TRIGGER refuse_insert ON share_totals"],
    "mysql": ["DROP TRIGGER refuse_INSERT", "DROP TRIGGER refuse_UPDATE"],
}


class PoisonScenario:
    """A system, its tables, and an admin who reads them."""

    def __init__(self, system: System, tables: Tables, root: Caller) -> None:
        self.system = system
        self.root = root
        self._tables = tables
        self._kind = system.database.split(":", 1)[0]

    async def poison(self) -> None:
        await self._tables.run(*_BREAK[self._kind])

    async def fix(self) -> None:
        await self._tables.run(*_FIX[self._kind])

    async def share(self, user: str, content: str, *platforms: str) -> None:
        with Caller(self.system.port, self.system.token()(user)) as caller:
            response = await caller.request("POST", f"/content/{content}/share", {"platforms": platforms})
            assert response.status == 200, response

    async def wait_until_parked(self, *, parked: int) -> None:
        """Nothing pending, so many parked; and no drift."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            if await pending_and_parked(self._tables) == (0, parked):
                break
            await asyncio.sleep(0.05)
        assert await pending_and_parked(self._tables) == (0, parked)
        verified = await self.system.cli("verify", "--json")
        assert (verified.code, verified.json()["drift"]) == (0, 0), verified

    async def count(self, content: str) -> int:
        response = await self.root.request("GET", f"/share-links/count/{content}")
        return int(response.json()["shareCount"])

    async def parked(self) -> dict[str, Any]:
        [job] = (await self.system.cli("dead", "list", "--json")).json()
        assert isinstance(job, dict)
        return job


@pytest.fixture
async def scenario(topology: Topology, tmp_path: Path) -> AsyncIterator[PoisonScenario]:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_system(topology, tmp_path))
        tables = await stack.enter_async_context(open_tables(system.database))
        root = stack.enter_context(Caller(system.port, system.token("shares audit analytics admin")("root")))
        yield PoisonScenario(system, tables, root)


@pytest.mark.parametrize("topology", ["postgresql", "mysql"], indirect=True)
async def test_one_poisonous_job_among_a_thousand(scenario: PoisonScenario) -> None:
    await scenario.poison()
    await thousand_jobs(scenario)
    await scenario.wait_until_parked(parked=1)
    assert [await scenario.count(f"video/good-{n}") for n in range(3)] == [USERS] * 3
    assert await scenario.count(POISON) == 0
    await replayed(scenario)
    await discarded(scenario)


async def thousand_jobs(scenario: PoisonScenario) -> None:
    """Three platforms of 333 users, and in the midst of them the one."""
    platforms = ("twitter", "whatsapp", "facebook")
    for start in range(0, USERS, 37):
        users = range(start, min(start + 37, USERS))
        shares = [
            scenario.share(f"user-{n}", f"video/good-{place}", p) for n in users for place, p in enumerate(platforms)
        ]
        await asyncio.gather(*shares, *([scenario.share("ann", POISON, "twitter")] if start == 148 else []))


async def replayed(scenario: PoisonScenario) -> None:
    job = await scenario.parked()
    assert (job["contentId"], job["delta"], job["userId"]) == ("poison", 1, "ann")
    assert job["reason"]
    await scenario.fix()
    said = await scenario.system.cli("dead", "replay", job["jobId"])
    assert said.code == 0, said
    await scenario.wait_until_parked(parked=0)
    assert await scenario.count(POISON) == 1


async def discarded(scenario: PoisonScenario) -> None:
    await scenario.poison()
    await scenario.share("bob", POISON, "whatsapp")
    await scenario.wait_until_parked(parked=1)
    job = await scenario.parked()
    said = await scenario.system.cli("dead", "discard", job["jobId"], "--reason", "a test", "--author", "root")
    assert said.code == 0, said
    await scenario.fix()
    await scenario.wait_until_parked(parked=0)
    assert await scenario.count(POISON) == 1
    trail = (await scenario.root.request("GET", "/audit?contentType=video&contentId=poison&action=discarded")).json()[
        "items"
    ]
    assert [(line["actor"], line["userId"]) for line in trail] == [("root", "bob")]
