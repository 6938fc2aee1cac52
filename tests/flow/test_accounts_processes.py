"""Eight processes over one database server: one refresh, whoever is first."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.contracts.database_rows import SERVERS, database_url_for, open_database, open_empty_database
from tests.flow.account_harness import Accounting

pytestmark = pytest.mark.anyio


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


async def test_fifty_accesses_in_eight_processes_make_one_refresh(url: str) -> None:
    async with AsyncExitStack() as stack:
        world = Accounting(await stack.enter_async_context(open_empty_database(url)))
        processes = [world.new_process(await stack.enter_async_context(open_database(url))) for _ in range(8)]
        account = await world.connect()
        for round_number in range(1, 4):
            world.clock.move(hours=2)
            results = await asyncio.gather(*(processes[at % 8].access.access(account.id) for at in range(50)))
            assert world.platform.refreshes == round_number
            assert len({tokens.access for _, tokens in results}) == 1
            assert world.platform.accepts(results[0][1])
        assert (await world.actions()).count("refreshed") == 3
