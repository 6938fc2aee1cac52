"""A hook that takes too long and a hook that raises an exception, each for one user, run among five hundred other
requests at the same moment.

Their own requests are answered with 503 and 500 and leave nothing behind; the other shares, which are written in the
same transactions, are all there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.oracle.client import Answer, Client
from tests.oracle.system import System

NEIGHBOURS = 500
ROUNDS = 3
SLOW, RAISING = "slow", "raising"
MODULE = '''
import asyncio


class Rude:
    """Writes nothing itself."""

    async def after_create(self, tx, entity):
        if entity.user_id == "slow":
            await asyncio.sleep(60)
        if entity.user_id == "raising":
            await tx.execute("INSERT INTO no_such_table (who) VALUES (:who)", {"who": entity.user_id})
'''


async def perform(stage: Stage) -> None:
    shape = replace(stage.shape(), packages=_installed(stage.folder / "packages"))
    async with stage.open(shape) as system, stage.load(seconds=15, rate=100):
        for number in range(ROUNDS):
            await _round(stage, system, number)
        stage.note(f"{ROUNDS} rounds of {NEIGHBOURS} neighbours, 2 slow and 2 raising among them")


def _installed(packages: Path) -> Path:
    about = packages / "rude-1.0.dist-info"
    about.mkdir(parents=True)
    (packages / "rude.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rude\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sharetally.hooks]\nrude = rude:Rude\n")
    return packages


async def _round(stage: Stage, system: System, number: int) -> None:
    """All at once; who is rude stands in the midst of the others."""
    users = [f"neighbour-{place}" for place in range(NEIGHBOURS)]
    for place in (100, 300):
        users[place:place] = [SLOW, RAISING]
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(system.port)) for _ in users]
        await asyncio.gather(*(client.connect() for client in clients))
        asked = zip(clients, users, strict=True)
        answers = await asyncio.gather(*(_share(stage, number, client, user) for client, user in asked))
    _check(stage, number, users, answers)


async def _share(stage: Stage, number: int, client: Client, user: str) -> Answer:
    token = stage.promises.token(user)
    return await client.ask("POST", f"/videos/hooked-{number}/share", {"platforms": ["twitter"]}, token=token)


def _check(stage: Stage, number: int, users: list[str], answers: list[Answer]) -> None:
    answered = list(zip(users, answers, strict=True))
    rude = Counter((user, answer.status) for user, answer in answered if user in (SLOW, RAISING))
    if rude != {(SLOW, 503): 2, (RAISING, 500): 2}:
        stage.wrong(f"rude hooks were answered {rude}")
    for user, answer in answered:
        if user not in (SLOW, RAISING):
            stage.promises.heard("neighbour", answer)
            if answer.status == 200:
                stage.promises.expected.share((("video", f"hooked-{number}"), "twitter", user), force=False)


ROW = Row(number=22, title="a slow hook and a raising hook among 500 neighbours", on=ALL, perform=perform)
