"""The database fails over to a replica that lacks the last seconds, while users post and every process runs on.

The replica is a backup, taken under load a moment before; until it stands, nobody reaches the database. As the runbook
has it, `repair --restored` runs before the service gets the new database. Workers that run on hold leases and outcomes
that the new database has never seen: these outcomes change nothing, and each post is looked for. The fake Mastodon
server ignores idempotency keys here, so a post that was sent again would be there twice.
"""

from __future__ import annotations

import asyncio

from tests.faults import backups
from tests.faults.harness import FaultHarness
from tests.faults.posting.judge import PostingJudge
from tests.faults.posting.load import PostingLoad
from tests.faults.posting.servers import open_bluesky, open_mastodon
from tests.faults.row import POSTS, SERVERS, Row
from tests.oracle.system import System
from tests.services.proxy import open_proxy

LATENCY = 0.3  # seconds until the platform answers
LOAD_SECONDS = 12.0
LOST_SECONDS = 1.0
SETTLE_SECONDS = 240.0


async def perform(harness: FaultHarness) -> None:
    harness.allow("503", "NoResponse", "NotSent", "400")  # 400: an account that is to be connected again cannot post
    harness.max_seconds = SETTLE_SECONDS
    mastodon = await open_mastodon(harness)
    mastodon.fake.latency, mastodon.fake.honours_keys = LATENCY, False
    load = PostingLoad(harness=harness, servers=[mastodon, *open_bluesky(harness)])
    database = harness.fresh_database()
    wire = await harness.enter_async(open_proxy(database))
    topology = load.prepared(harness.topology(database=wire.url, settings=load.settings()))
    judge = PostingJudge(load=load, failures=frozenset({"not-found"}), restored=True)
    async with harness.open(topology, judge) as system:
        await load.connect(system)
        async with load.running(system):
            await asyncio.sleep(LOAD_SECONDS)
            async with harness.pause_verification():
                before = len(mastodon.fake.texts())
                await backups.take(database, harness.folder / "replica")
                await asyncio.sleep(LOST_SECONDS)
                await wire.cut()
                published = len(mastodon.fake.texts()) - before
                assert published, "nothing was published in the part that is lost"
                await _promote(harness, system, database)
                await wire.restore()
                await asyncio.gather(*(role.ready() for role in system.roles))
            await asyncio.sleep(LOAD_SECONDS)
        await load.connect(system, load.servers[1:])
    harness.note(f"{published} posts were published in the part that was lost")


async def _promote(harness: FaultHarness, system: System, database: str) -> None:
    """The replica takes the place of the database that nobody can reach."""
    await backups.restore(database, harness.folder / "replica")
    system.set_environment(SHARETALLY_DATABASE_URL=database)
    said = await system.cli("repair", "--restored")
    assert said.code == 0, said


ROW = Row(
    number=29,
    title="failover that loses the last seconds, while users post",
    databases=SERVERS,
    perform=perform,
    timeout=900.0,
    chapter=POSTS,
)
