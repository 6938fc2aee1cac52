"""The reply to COMMIT is lost: the database has committed, and the process that wrote does not know it.

First, only the reply and its connection are lost: the service looks up whether the commit succeeded and answers as if
nothing had happened; workers find that nothing is left to do. Then the database cannot be reached either: the commit
cannot be looked up, so clients get a 503, and a retry with the same Idempotency-Key gets the answer that was stored
with the commit.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.faults.harness import FaultHarness
from tests.faults.private_servers import RECOVERY_LOAD_SECONDS
from tests.faults.row import SERVERS, Row
from tests.faults.waiting import wait_until
from tests.oracle.client import Client, Response
from tests.oracle.client_requests.link import CreateLink
from tests.oracle.expected import Link
from tests.oracle.system import System
from tests.oracle.tables import Tables, open_tables
from tests.services.proxy import Proxy, open_proxy

TIMES = 8
AT_ONCE = 12  # requests whose retry is looked at closely, each time
COMMIT = {"postgresql": b"COMMIT\0", "mysql": b"\x03COMMIT"}  # as it travels; autocommit is set otherwise
WRITTEN = {"postgresql": (), "mysql": (b"INTO",)}  # before it: asyncmy also commits as it connects
LINK = Link(("video", "by-hand"), "hand", "", "")


async def perform(harness: FaultHarness) -> None:
    harness.allow("503")
    topology = harness.topology()
    assert topology.database is not None
    api, work = [await harness.enter_async(open_proxy(topology.database)) for _ in range(2)]
    each = {"serve": api, "worker-0": work, "worker-1": work}
    topology = replace(topology, each={role: {"DATABASE_URL": proxy.url} for role, proxy in each.items()})
    async with harness.open(topology) as system, open_tables(system.database) as tables:
        async with harness.load():
            await cut_replies_only(harness, api, work)
        unavailable = harness.promises.tally.outcomes["503"]
        assert not unavailable, f"{unavailable} were told that it may or may not have happened"
        async with harness.load():
            stored = await cut_whole_connections(harness, system, tables, api)
            await asyncio.sleep(RECOVERY_LOAD_SECONDS)
        insisted = harness.promises.tally.operations["insisted"]
        harness.note(
            f"{2 * harness.rounds(TIMES)} COMMIT replies lost and looked up; {harness.rounds(TIMES)} lost with the line"
        )
        harness.note(
            f"{insisted} clients asked again under their keys, {stored} by hand whose answer was stored before"
        )
        assert stored, "no answer had been stored before it was asked for again"


async def cut_replies_only(harness: FaultHarness, *proxies: Proxy) -> None:
    for _ in range(harness.rounds(TIMES)):
        for proxy in proxies:
            proxy.cut_reply(*WRITTEN[harness.database], COMMIT[harness.database])
            async with asyncio.timeout(30.0):
                await proxy.wait_for_reply_cut()
    await asyncio.sleep(RECOVERY_LOAD_SECONDS)


async def cut_whole_connections(harness: FaultHarness, system: System, tables: Tables, proxy: Proxy) -> int:
    """Return how many of the requests by hand had their answer stored, and did not get it, the first time."""
    stored = 0
    for time in range(harness.rounds(TIMES)):
        keys = [f"hand-{time}-{number}" for number in range(AT_ONCE)]
        proxy.cut_reply(keys[-1].encode(), COMMIT[harness.database], stay_away=True)
        asked = await asyncio.gather(*(create(harness, system, key) for key in keys))
        async with asyncio.timeout(30.0):
            await proxy.wait_for_reply_cut()
        before = await stored_keys(tables)
        await proxy.restore()
        firsts = list(zip(keys, asked, strict=True))
        stored += sum(first.status == 503 and key in before for key, first in firsts)
        await asyncio.gather(*(retried_with_key(harness, system, key, first) for key, first in firsts))
    return stored


async def create(harness: FaultHarness, system: System, key: str) -> Response:
    operation, token = CreateLink(LINK), harness.promises.user_token(LINK.user)
    headers = {"idempotency-key": key, "x-request-id": key}
    with Client(system.port) as client:
        return await client.request(operation.method, operation.target, operation.body, token=token, headers=headers)


async def retried_with_key(harness: FaultHarness, system: System, key: str, first: Response) -> None:
    """Ask again until it is answered, then once more: it happened once, and the answer is the same."""
    answers = [first]

    async def answered() -> bool:
        answers.append(await create(harness, system, key))
        return answers[-1].status != 503

    await wait_until(f"{key} is answered", answered, max_seconds=60.0)
    again = await create(harness, system, key)
    good = {(response.status, response.body) for response in (*answers, again) if response.status != 503}
    assert len(good) == 1, f"{key} was answered {good}"
    assert not (fault := CreateLink(LINK).fault(again)), fault
    harness.promises.expected.create_link(CreateLink(LINK).subject(again), LINK)


async def stored_keys(tables: Tables) -> set[str]:
    return {row[0] for row in await tables.rows("SELECT k.key FROM idempotency_keys k")}


ROW = Row(
    number=12,
    title="the reply to COMMIT lost: the commit is looked up, or a retry with the same key gets the stored answer",
    databases=SERVERS,
    perform=perform,
)
