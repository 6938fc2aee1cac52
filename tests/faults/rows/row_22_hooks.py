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

from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row
from tests.oracle.client import Client, Response
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


async def perform(harness: FaultHarness) -> None:
    topology = replace(harness.topology(), packages=_installed(harness.folder / "packages"))
    async with harness.open(topology) as system, harness.load(seconds=15, rate=100):
        for number in range(ROUNDS):
            await _round(harness, system, number)
        harness.note(f"{ROUNDS} rounds of {NEIGHBOURS} neighbours, 2 slow and 2 raising among them")


def _installed(packages: Path) -> Path:
    about = packages / "rude-1.0.dist-info"
    about.mkdir(parents=True)
    (packages / "rude.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rude\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sharetally.hooks]\nrude = rude:Rude\n")
    return packages


async def _round(harness: FaultHarness, system: System, number: int) -> None:
    """Send all at once; those with a faulty hook are in the middle of the others."""
    users = [f"neighbour-{place}" for place in range(NEIGHBOURS)]
    for place in (100, 300):
        users[place:place] = [SLOW, RAISING]
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(system.port)) for _ in users]
        await asyncio.gather(*(client.connect() for client in clients))
        asked = zip(clients, users, strict=True)
        responses = await asyncio.gather(*(_share(harness, number, client, user) for client, user in asked))
    _check(harness, number, users, responses)


async def _share(harness: FaultHarness, number: int, client: Client, user: str) -> Response:
    token = harness.promises.token(user)
    return await client.request("POST", f"/videos/hooked-{number}/share", {"platforms": ["twitter"]}, token=token)


def _check(harness: FaultHarness, number: int, users: list[str], responses: list[Response]) -> None:
    answered = list(zip(users, responses, strict=True))
    rude = Counter((user, response.status) for user, response in answered if user in (SLOW, RAISING))
    if rude != {(SLOW, 503): 2, (RAISING, 500): 2}:
        harness.fail(f"rude hooks were answered {rude}")
    for user, response in answered:
        if user not in (SLOW, RAISING):
            harness.promises.record_responses("neighbour", response)
            if response.status == 200:
                harness.promises.expected.share((("video", f"hooked-{number}"), "twitter", user), force=False)


ROW = Row(number=22, title="a slow hook and a raising hook among 500 neighbours", databases=ALL, perform=perform)
