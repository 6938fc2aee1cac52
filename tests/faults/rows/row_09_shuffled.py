"""Every job is delivered five times, in any order; the withdrawal of a share is delivered before the job that created
it; and all jobs are delivered once more later.

The workers are stopped while shares are made, withdrawn and made again, so all jobs wait in the queue. Then all of
them are delivered: the withdrawals first, the rest in random order. When everything is counted, every message is
delivered once more under load, as if the broker had forgotten what it had already delivered.
"""

from __future__ import annotations

import asyncio
from random import Random
from urllib.parse import quote

from tests.faults.dealing import TAKES_BACK, TIMES, connected, deal_again, put
from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.journey.asking import Caller
from tests.oracle.expected import Content
from tests.oracle.system import System

CONTENT: Content = ("video", "made, taken back, made again")
USERS = 40


async def perform(stage: Stage) -> None:
    async with stage.open(stage.shape()) as system:
        for worker in system.workers:
            assert await worker.stop() == 0
        async with stage.load(seconds=15):
            await asyncio.gather(*(_there_and_back(stage, system, number) for number in range(USERS)))
        cards = await deal_again(system, seed=stage.seed)
        await system.start(*system.workers)
        taking = sum(card.jobs for card in cards if card.job == TAKES_BACK)
        assert taking >= USERS
        stage.note(f"{sum(card.jobs for card in cards)} jobs {TIMES} times, {taking} withdrawals before all others")
        async with stage.load(seconds=10), connected(system) as connection:
            Random(stage.seed).shuffle(cards)
            await put(connection, cards)
        stage.note("all of them once more under load")


async def _there_and_back(stage: Stage, system: System, number: int) -> None:
    """Made, taken back, made again; by every second user taken back once more."""
    kind, name = CONTENT
    user = f"again-{number}"
    target, record = f"/content/{kind}/{quote(name)}/share", (CONTENT, "twitter", user)
    with Caller(system.port, stage.promises.token(user)) as caller:
        for step in range(3 + number % 2):
            if step % 2 == 0:
                answer = await caller.ask("POST", target, {"platforms": ["twitter"]})
                stage.promises.expected.share(record, force=False)
            else:
                answer = await caller.ask("DELETE", f"{target}/twitter")
                stage.promises.expected.withdraw(record)
            assert answer.status in (200, 204), answer
            stage.promises.heard("there and back", answer)


ROW = Row(
    number=9,
    title="every job delivered five times, shuffled; deletions before creations",
    on=SERVERS,
    perform=perform,
    brief="mysql",
)
