"""While users post, RabbitMQ is away for half a minute, and the database is killed and started again, twice.

Without the broker, the workers find due posts by themselves. Without the database nobody can say what became of a post
that is under way: its worker keeps the outcome until it can be stored, and if its lease was lost meanwhile, the next
one looks.
"""

from __future__ import annotations

import asyncio

from tests.faults.harness import FaultHarness
from tests.faults.posting.judge import PostingJudge
from tests.faults.posting.load import PostingLoad
from tests.faults.posting.servers import open_bluesky, open_mastodon
from tests.faults.private_servers import private_broker, private_database
from tests.faults.row import POSTS, SERVERS, Row

BROKER_AWAY_SECONDS = 30.0
DATABASE_AWAY_SECONDS = 4.0
BETWEEN_SECONDS = 8.0
TIMES = 2
LATENCY = 0.5  # seconds until the platform answers, so that posts are under way when the database goes


async def perform(harness: FaultHarness) -> None:
    harness.allow("503", "NoResponse", "NotSent")
    broker, database = private_broker(harness), await private_database(harness)
    mastodon = await open_mastodon(harness)
    mastodon.fake.latency = LATENCY
    load = PostingLoad(harness=harness, servers=[mastodon, *open_bluesky(harness)])
    topology = harness.topology(database=database.url, broker=broker.url, settings=load.settings())
    async with harness.open(load.prepared(topology), PostingJudge(load=load)) as system:
        await load.connect(system)
        async with load.running(system):
            await asyncio.sleep(BETWEEN_SECONDS)
            before = len(mastodon.fake.texts())
            await broker.stop()
            await asyncio.sleep(BROKER_AWAY_SECONDS)
            posted = len(mastodon.fake.texts()) - before
            assert posted, "nothing was posted without the broker"
            await broker.start()
            for _ in range(TIMES):
                await asyncio.sleep(BETWEEN_SECONDS)
                async with harness.pause_verification():
                    await database.kill()
                    await asyncio.sleep(DATABASE_AWAY_SECONDS)
                    await database.start()
                await asyncio.gather(*(role.ready() for role in system.roles))
            await asyncio.sleep(BETWEEN_SECONDS)
    harness.note(
        f"{posted} posts while the broker was away for {BROKER_AWAY_SECONDS:.0f} s; database killed {TIMES} times"
    )


ROW = Row(
    number=27,
    title="broker away and database killed while users post",
    databases=SERVERS,
    perform=perform,
    timeout=900.0,
    chapter=POSTS,
)
