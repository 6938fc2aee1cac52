"""A backup is taken while posts are unfinished; they are published after it, and then the backup is restored.

`repair --restored` makes every unfinished post unknown, so each of them is looked for, and none is sent again although
the fake Mastodon server ignores idempotency keys here. Half of the accounts have refresh tokens, which may have been
used since the backup: none of them is sent again, and their posts stay unknown until their users connect them again.
"""

from __future__ import annotations

import asyncio

from tests.faults import backups
from tests.faults.harness import FaultHarness
from tests.faults.posting.judge import PostingJudge, unfinished
from tests.faults.posting.load import PostingLoad
from tests.faults.posting.servers import open_bluesky, open_mastodon
from tests.faults.row import ALL, POSTS, Row
from tests.oracle.tables import open_tables

LATENCY = 2.0  # seconds until the platform answers: the accounts get behind their users
LOAD_SECONDS = 15.0
LIFETIME = 122  # seconds: the service refreshes two minutes ahead, so nearly every post spends a refresh token
SETTLE_SECONDS = 240.0
NOT_THERE = frozenset({"not-found"})  # a post that was not sent before the restore is not sent by itself


async def perform(harness: FaultHarness) -> None:
    harness.max_seconds = SETTLE_SECONDS
    mastodon, rotating = await open_mastodon(harness), await open_mastodon(harness, lifetime=LIFETIME)
    for each in (mastodon, rotating):
        each.fake.latency, each.fake.honours_keys = LATENCY, False
    load = PostingLoad(harness=harness, servers=[mastodon, rotating, *open_bluesky(harness)], users=8, pause=0.7)
    topology = load.prepared(harness.topology(settings=load.settings()))
    judge = PostingJudge(load=load, failures=NOT_THERE, restored=True)
    backup = harness.folder / "backup"
    async with harness.open(topology, judge) as system:
        await load.connect(system)
        async with load.running(system):
            await asyncio.sleep(LOAD_SECONDS)
            await backups.take(system.database, backup)
            before = len(mastodon.fake.texts()) + len(rotating.fake.texts())
            await asyncio.sleep(LOAD_SECONDS)
        async with harness.pause_verification():
            published = len(mastodon.fake.texts()) + len(rotating.fake.texts()) - before
            assert published > 20, f"only {published} posts were published after the backup"
            assert not any((await system.stop()).values())
            await backups.restore(system.database, backup)
            async with open_tables(system.database) as tables:
                waiting = await unfinished(tables)
            assert waiting > 20, f"only {waiting} posts are unfinished in the backup"
            said = await system.cli("repair", "--restored")
            assert said.code == 0, said
            for each in (mastodon, rotating):
                each.fake.latency = 0.0
            await system.start(*system.roles)
        await load.connect(system, load.servers[1:])
        if rotating.fake.replayed:
            harness.fail(f"{rotating.fake.replayed} refresh tokens were sent twice")
    harness.note(
        f"{waiting} posts were unfinished in the backup; {published} were published after it; "
        f"{rotating.fake.replayed} refresh tokens were sent twice"
    )


ROW = Row(
    number=28,
    title="a backup with unfinished posts restored after they were published",
    databases=ALL,
    perform=perform,
    timeout=720.0,
    chapter=POSTS,
)
