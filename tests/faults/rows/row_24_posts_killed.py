"""Workers are killed at every failpoint between a stored attempt to post and its stored outcome, while users post.

Whoever finds such a post knows that it may be there, and looks before anything else happens. Users post to a fake
Mastodon server and to a real Bluesky server; a third of the shares were declared before. On SQLite, worker and API are
one process, which dies at one failpoint after the other.
"""

from __future__ import annotations

import asyncio

from tests.faults.failpoints import (
    count_deaths,
    restart_disarmed,
    restart_until_death,
)
from tests.faults.harness import FaultHarness
from tests.faults.posting.judge import PostingJudge
from tests.faults.posting.load import PostingLoad
from tests.faults.posting.servers import open_bluesky, open_mastodon
from tests.faults.row import ALL, POSTS, Row
from tests.oracle.process import Role
from tests.oracle.system import System

PLACES = (
    "posting.before-send",
    "posting.after-reply",
    "posting.before-settle",
    "posting.before-commit",
    "posting.after-commit",
)
LATENCY = 0.1  # seconds until the platform answers
PAUSE, SLOW_PAUSE = 1.5, 8.0  # seconds between two posts of a user; a single process takes a minute to die again
SETTLE_SECONDS = 240.0  # a minute until a lease lapses, another until a list of posts is believed, and some looks


async def perform(harness: FaultHarness) -> None:
    harness.max_seconds = SETTLE_SECONDS
    mastodon = await open_mastodon(harness)
    mastodon.fake.latency = LATENCY
    embedded = harness.database == "sqlite"
    pause = SLOW_PAUSE if embedded else PAUSE
    load = PostingLoad(harness=harness, servers=[mastodon, *open_bluesky(harness)], pause=pause)
    if embedded:
        harness.allow("NotSent", "NoResponse", "503")
    topology = load.prepared(harness.topology(workers=len(PLACES) + 1, settings=load.settings()))
    async with harness.open(topology, PostingJudge(load=load)) as system:
        await load.connect(system)
        async with load.running(system):
            dead = await (_one_process(system) if embedded else _workers(system))
    harness.note(f"killed {dead} times, at {len(PLACES)} failpoints")


async def _one_process(system: System) -> int:
    await system.serve.kill()
    for place in PLACES:
        await restart_until_death(system.serve, place, 3, max_seconds=120.0)
    await restart_disarmed(system, system.serve)
    return count_deaths(system.serve)


async def _workers(system: System) -> int:
    armed = system.workers[: len(PLACES)]

    async def die(role: Role, place: str) -> None:
        await role.kill()
        await restart_until_death(role, place, 3, max_seconds=120.0)
        await restart_disarmed(system, role)

    await asyncio.gather(*map(die, armed, PLACES))
    return sum(map(count_deaths, armed))


ROW = Row(
    number=24,
    title="workers killed at every failpoint of a post",
    databases=ALL,
    perform=perform,
    timeout=720.0,
    chapter=POSTS,
)
