"""Workers are killed in the middle of refreshing the tokens of an account: before the platform was asked, and after it
has given new tokens that nobody has stored.

Every post needs fresh tokens first, because the platform's are good for two minutes. After the first kind of death
another worker refreshes once the lease of the account has run out. After the second kind the grant is lost at the
platform, which gives a new refresh token each time: the account says so, and its posts fail and are not there until
its user connects it again. The same happens to every refresh that the process had under way when it died. No refresh
token is sent twice, except those whose reply was lost, and these once.
"""

from __future__ import annotations

import asyncio

from tests.faults.failpoints import restart_disarmed, restart_until_death
from tests.faults.harness import FaultHarness
from tests.faults.posting.judge import PostingJudge
from tests.faults.posting.load import PostingLoad
from tests.faults.posting.servers import MastodonServer, open_mastodon
from tests.faults.row import ALL, POSTS, Row
from tests.oracle.process import Role
from tests.oracle.system import System
from tests.oracle.tables import open_tables

BEFORE, AFTER = "refresh.before-request", "refresh.after-reply"
USERS = 8
LIFETIME = 122  # seconds: the service refreshes two minutes ahead
SETTLE_SECONDS = 330.0  # the lease of an account lasts two minutes, that of a worker one


async def perform(harness: FaultHarness) -> None:
    harness.max_seconds = SETTLE_SECONDS
    mastodon = await open_mastodon(harness, lifetime=LIFETIME)
    load = PostingLoad(harness=harness, servers=[mastodon], users=USERS, pause=2.0)
    embedded = harness.database == "sqlite"
    harness.allow("400")  # an account that is to be connected again cannot post
    if embedded:
        harness.allow("NotSent", "NoResponse", "503")
    topology = harness.topology(workers=3, settings=load.settings())
    judge = PostingJudge(load=load, failures=frozenset({"needs-reauth"}))
    async with harness.open(topology, judge) as system:
        await load.connect(system)
        async with load.running(system):
            if embedded:
                await _die(system, system.serve, BEFORE)
                await _die(system, system.serve, AFTER)
            else:
                await asyncio.gather(
                    *(_die(system, *each) for each in zip(system.workers, (BEFORE, AFTER), strict=False))
                )
    await _note_grants(harness, system, mastodon)


async def _die(system: System, role: Role, place: str) -> None:
    await role.kill()
    await restart_until_death(role, place, 2, max_seconds=120.0)
    await restart_disarmed(system, role)


async def _note_grants(harness: FaultHarness, system: System, mastodon: MastodonServer) -> None:
    async with open_tables(system.database) as tables:
        lost = len(await tables.rows("SELECT id FROM accounts WHERE status = 'needs_reauth'"))
    replayed = mastodon.fake.replayed
    if replayed != lost or not lost:
        harness.fail(f"{replayed} refresh tokens were sent twice, {lost} grants lost: not once for each lost reply")
    harness.note(
        f"{lost} replies lost: as many of {USERS} accounts to be connected again, {replayed} tokens sent twice"
    )


ROW = Row(
    number=25,
    title="workers killed before and after a refresh of tokens",
    databases=ALL,
    perform=perform,
    timeout=720.0,
    chapter=POSTS,
)
