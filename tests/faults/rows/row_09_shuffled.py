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

from tests.faults.harness import FaultHarness
from tests.faults.redelivery import TIMES, UNDOING_JOBS, connect, publish_all, redeliver_shuffled
from tests.faults.row import SERVERS, Row
from tests.journey.caller import Caller
from tests.oracle.expected import Content
from tests.oracle.system import System

CONTENT: Content = ("video", "made, taken back, made again")
USERS = 40


async def perform(harness: FaultHarness) -> None:
    async with harness.open(harness.topology()) as system:
        for worker in system.workers:
            assert await worker.stop() == 0
        async with harness.load(seconds=15):
            await asyncio.gather(*(_there_and_back(harness, system, number) for number in range(USERS)))
        cards = await redeliver_shuffled(system, seed=harness.seed)
        await system.start(*system.workers)
        taking = sum(card.jobs for card in cards if card.job == UNDOING_JOBS)
        assert taking >= USERS
        harness.note(f"{sum(card.jobs for card in cards)} jobs {TIMES} times, {taking} withdrawals before all others")
        async with harness.load(seconds=10), connect(system) as connection:
            Random(harness.seed).shuffle(cards)
            await publish_all(connection, cards)
        harness.note("all of them once more under load")


async def _there_and_back(harness: FaultHarness, system: System, number: int) -> None:
    """Made, taken back, made again; by every second user taken back once more."""
    kind, name = CONTENT
    user = f"again-{number}"
    target, record = f"/content/{kind}/{quote(name)}/share", (CONTENT, "twitter", user)
    with Caller(system.port, harness.promises.token(user)) as caller:
        for step in range(3 + number % 2):
            if step % 2 == 0:
                response = await caller.request("POST", target, {"platforms": ["twitter"]})
                harness.promises.expected.share(record, force=False)
            else:
                response = await caller.request("DELETE", f"{target}/twitter")
                harness.promises.expected.withdraw(record)
            assert response.status in (200, 204), response
            harness.promises.record_responses("there and back", response)


ROW = Row(
    number=9,
    title="every job delivered five times, shuffled; deletions before creations",
    databases=SERVERS,
    perform=perform,
    brief="mysql",
)
