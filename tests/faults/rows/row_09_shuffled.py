"""Every job five times, in any order; what takes a share back before the job that made it; all of it again later.

Workers stand still while shares are made, withdrawn and made again, so that all jobs lie in the queue. Then all of
them are dealt: the withdrawals first, the rest shuffled. When everything is counted every message comes once more,
under load, as from a broker that forgot what it had delivered.
"""

from __future__ import annotations

from random import Random

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
            await _there_and_back(stage, system)
        cards = await deal_again(system, seed=stage.seed)
        await system.start(*system.workers)
        taking = sum(card.jobs for card in cards if card.job == TAKES_BACK)
        assert taking >= USERS
        stage.note(f"{sum(card.jobs for card in cards)} jobs {TIMES} times, {taking} withdrawals before all others")
        async with stage.load(seconds=10), connected(system) as connection:
            Random(stage.seed).shuffle(cards)
            await put(connection, cards)
        stage.note("all of them once more under load")


async def _there_and_back(stage: Stage, system: System) -> None:
    """Made, taken back, made again; of every second user taken back once more."""
    kind, name = CONTENT
    for number in range(USERS):
        user = f"again-{number}"
        with Caller(system.port, stage.promises.token(user)) as caller:
            for step in ("POST", "DELETE", "POST", "DELETE")[: 3 + number % 2]:
                place = "" if step == "POST" else "/twitter"
                body = {"platforms": ["twitter"]} if step == "POST" else None
                answer = await caller.ask(step, f"/content/{kind}/{name.replace(' ', '%20')}/share{place}", body)
                assert answer.status == (200 if step == "POST" else 204), answer
                stage.promises.heard(step, answer)
                key = (CONTENT, "twitter", user)
                if step == "POST":
                    stage.promises.expected.share(key, force=False)
                else:
                    stage.promises.expected.withdraw(key)


ROW = Row(number=9, title="every job five times, shuffled; delete before create", on=SERVERS, perform=perform)
