"""The reply to COMMIT is lost: the database has committed, and the process that wrote does not know it.

First, only the reply and its connection are lost: the service looks up whether the commit succeeded and answers as if
nothing had happened; workers find that nothing is left to do. Then the database cannot be reached either: the commit
cannot be looked up, so clients get a 503, and a retry with the same Idempotency-Key gets the answer that was stored
with the commit.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.faults.private import AFTER
from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.faults.until import until
from tests.oracle.client import Answer, Client
from tests.oracle.expected import Link
from tests.oracle.system import System
from tests.oracle.tables import Tables, open_tables
from tests.oracle.wishes.link import CreateLink
from tests.services.proxy import Proxy, open_proxy

TIMES = 8
AT_ONCE = 12  # requests whose retry is looked at closely, each time
COMMIT = {"postgresql": b"COMMIT\0", "mysql": b"\x03COMMIT"}  # as it travels; autocommit is set otherwise
WRITTEN = {"postgresql": (), "mysql": (b"INTO",)}  # before it: asyncmy also commits as it connects
LINK = Link(("video", "by-hand"), "hand", "", "")


async def perform(stage: Stage) -> None:
    stage.allow("503")
    shape = stage.shape()
    assert shape.database is not None
    api, work = [await stage.enter_async(open_proxy(shape.database)) for _ in range(2)]
    each = {"serve": api, "worker-0": work, "worker-1": work}
    shape = replace(shape, each={role: {"DATABASE_URL": proxy.url} for role, proxy in each.items()})
    async with stage.open(shape) as system, open_tables(system.database) as tables:
        async with stage.load():
            await replies_alone(stage, api, work)
        unavailable = stage.promises.tally.outcomes["503"]
        assert not unavailable, f"{unavailable} were told that it may or may not have happened"
        async with stage.load():
            stored = await lines_too(stage, system, tables, api)
            await asyncio.sleep(AFTER)
        insisted = stage.promises.tally.wishes["insisted"]
        stage.note(
            f"{2 * stage.times(TIMES)} replies to COMMIT lost and looked up; {stage.times(TIMES)} lost with the line"
        )
        stage.note(f"{insisted} clients asked again under their keys, {stored} by hand whose answer was stored before")
        assert stored, "no answer had been stored before it was asked for again"


async def replies_alone(stage: Stage, *proxies: Proxy) -> None:
    for _ in range(stage.times(TIMES)):
        for proxy in proxies:
            proxy.cut_reply(*WRITTEN[stage.database], COMMIT[stage.database])
            async with asyncio.timeout(30.0):
                await proxy.reply_was_cut()
    await asyncio.sleep(AFTER)


async def lines_too(stage: Stage, system: System, tables: Tables, proxy: Proxy) -> int:
    """Return how many of the requests by hand had their answer stored, and did not get it, the first time."""
    stored = 0
    for time in range(stage.times(TIMES)):
        keys = [f"hand-{time}-{number}" for number in range(AT_ONCE)]
        proxy.cut_reply(keys[-1].encode(), COMMIT[stage.database], stay_away=True)
        asked = await asyncio.gather(*(create(stage, system, key) for key in keys))
        async with asyncio.timeout(30.0):
            await proxy.reply_was_cut()
        before = await stored_keys(tables)
        await proxy.mend()
        firsts = list(zip(keys, asked, strict=True))
        stored += sum(first.status == 503 and key in before for key, first in firsts)
        await asyncio.gather(*(made_good(stage, system, key, first) for key, first in firsts))
    return stored


async def create(stage: Stage, system: System, key: str) -> Answer:
    wish, token = CreateLink(LINK), stage.promises.user_token(LINK.user)
    headers = {"idempotency-key": key, "x-request-id": key}
    with Client(system.port) as client:
        return await client.ask(wish.method, wish.target, wish.body, token=token, headers=headers)


async def made_good(stage: Stage, system: System, key: str, first: Answer) -> None:
    """Ask again until it is answered, then once more: it happened once, and the answer is the same."""
    answers = [first]

    async def answered() -> bool:
        answers.append(await create(stage, system, key))
        return answers[-1].status != 503

    await until(f"{key} is answered", answered, within=60.0)
    again = await create(stage, system, key)
    good = {(answer.status, answer.body) for answer in (*answers, again) if answer.status != 503}
    assert len(good) == 1, f"{key} was answered {good}"
    assert not (fault := CreateLink(LINK).fault(again)), fault
    stage.promises.expected.create_link(CreateLink(LINK).subject(again), LINK)


async def stored_keys(tables: Tables) -> set[str]:
    return {row[0] for row in await tables.rows("SELECT k.key FROM idempotency_keys k")}


ROW = Row(
    number=12,
    title="the reply to COMMIT lost: the commit is looked up, or a retry with the same key gets the stored answer",
    on=SERVERS,
    perform=perform,
)
