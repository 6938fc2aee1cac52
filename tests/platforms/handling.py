"""One post from its request to its end: the real handler and a real database, at any platform under test.

Time does not pass here, it is put forward: what waits for a pause or for the next look is due at once, and the clock of
the service says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
from sharetally.adapters.platforms.bluesky.client import BlueskyPublisher
from sharetally.adapters.platforms.mastodon.client import MastodonPublisher
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.delivery import Delivery
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.post import Post, compose
from sharetally.domain.share import Trigger
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.refreshing import Refresher
from sharetally.flow.delivery.attempt import Attempts
from sharetally.flow.delivery.leases import HeldLease, WorkerLease
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.posting.message import KIND
from sharetally.flow.posting.new_posts import PostRequest
from sharetally.flow.share_commands import Share
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import AccountKey, AccountWrite, StoredAccount
from sharetally.ports.outbound import Outbound
from sharetally.ports.posting_platform import Connection, Connector, Publisher
from tests.contracts.account_rows import account_line
from tests.fakes.api_server import Fault
from tests.flow.account_harness import OLD_KEY, sealing_with
from tests.flow.harness import RecordingMeter
from tests.platforms import cases, mastodon_cases
from tests.platforms.bluesky_cases import opened_site
from tests.platforms.cases import IMPATIENT, NO_TLS, Clock, Impatient
from tests.platforms.pds.gateway import Gateway
from tests.platforms.pds.server import PersonalDataServer

PAST = datetime(2020, 1, 1, tzinfo=UTC)
STEPS = 100
PATIENT = 10.0
USER = "mara"


@dataclass(kw_only=True)
class Site:
    """A platform with one connected account; `fail` lets the next publication meet a fault."""

    platform: str
    connection: Connection
    connector: Connector
    publisher_over: Callable[[Outbound], Publisher]
    outbound: Impatient
    clock: Clock
    fail: Callable[[Fault], None]
    texts: Callable[[], Awaitable[list[str]]]
    revoke: Callable[[], Awaitable[None]]
    server: str | None = None  # where the account is, if not where its connection says


async def _ignore(since: datetime) -> None:
    """Nothing was due."""


class Process:
    """What a worker has: the handler of posts, and a lease; `lost` sends the first publication nowhere."""

    def __init__(self, site: Site, db: SqlDatabase, *, lost: bool = False) -> None:
        self.db, self.site = db, site
        self.lease = WorkerLease(db.deliveries, version="1", clock=time.monotonic, on_idle=_ignore)
        refresher = Refresher(
            store=db.accounts,
            sealing=sealing_with(OLD_KEY),
            connectors={site.platform: site.connector},
            clock=ServiceClock(site.clock),
        )
        publisher = site.publisher_over(site.outbound)
        if lost:
            _lose_first(publisher, site)
        self.handler = PostHandler(
            ledger=db,
            posts=db.posts,
            deliveries=db.deliveries,
            clock=ServiceClock(site.clock),
            access=AccountAccess(refresher, clock=ServiceClock(site.clock)),
            publishers={site.platform: publisher},
        )
        self._attempts = Attempts(
            ledger=db,
            clock=ServiceClock(site.clock),
            meter=RecordingMeter(),
            on_committed=lambda _: None,
        )

    async def claim(self) -> Delivery | None:
        """The delivery that waits, due or not: until then, time is put forward."""
        await put_forward(self.db, self.site.clock)
        for gate in (await self.db.deliveries.due({KIND}, PAST)).gates:
            claimed = await self.db.deliveries.claim(self.lease.worker, gate, {KIND}, PAST, 1)
            if claimed.deliveries:
                return claimed.deliveries[0]
        return None

    async def attempt(self, delivery: Delivery) -> None:
        """Attempt it, and store the outcome."""
        await self._attempts.run(self.handler, delivery, HeldLease(self.lease))

    async def finish(self) -> None:
        """Attempt whatever waits until nothing does."""
        for _ in range(STEPS):
            delivery = await self.claim()
            if delivery is None:
                return
            await self.attempt(delivery)
            self.site.outbound.deadline = PATIENT
        raise AssertionError(f"a post is still not finished after {STEPS} steps")


@dataclass(frozen=True)
class ServiceClock:
    """The clock of the service, which a test puts forward."""

    ahead: Clock

    def now(self) -> datetime:
        """The time."""
        return self.ahead()


def _lose_first(publisher: Publisher, site: Site) -> None:
    """The first publication runs out of time before it has found the server."""

    async def never(host: str, port: int) -> list[str]:
        raise TimeoutError

    outbound = Impatient(OutboundClient(ssl_context=NO_TLS, guard=AddressGuard(resolve=never)))
    outbound.deadline = IMPATIENT
    publish, lost = publisher.publish, [site.publisher_over(outbound).publish]
    publisher.publish = lambda *arguments: (lost.pop() if lost else publish)(*arguments)  # type: ignore[method-assign]


async def put_forward(db: SqlDatabase, clock: Clock) -> None:
    """Make due what waits, and put the clock forward to when that would have been."""
    d, t, g = tables.deliveries, tables.delivery_targets, tables.delivery_gates
    async with db._engine.write_transaction() as connection:
        waiting = await connection.rows(sa.select(d.c.due_at).where(d.c.state == "waiting"))
        blocked = await connection.rows(sa.select(t.c.blocked_until))
        closed = await connection.rows(sa.select(g.c.closed_until))
        times = [value for row in (*waiting, *blocked, *closed) for value in row.values() if value is not None]
        if waiting:
            clock.ahead = max([clock.ahead, *(at - datetime.now(UTC) + timedelta(seconds=1) for at in times)])
        await connection.run(d.update().where(d.c.state == "waiting").values(due_at=PAST))
        await connection.run(t.update().where(t.c.waiting > 0).values(next_due=PAST, blocked_until=None))
        await connection.run(g.delete())


async def request_post(site: Site, db: SqlDatabase) -> UUID:
    """The user connects the account and shares with a post; returns the post's id."""
    tokens, profile = site.connection.tokens, site.connection.profile

    def write(existing: StoredAccount | None) -> AccountWrite:
        account_id = existing.account.id if existing else new_id()
        return AccountWrite(
            id=account_id,
            handle=profile.handle,
            expires_at=tokens.expires_at,
            refresh_at=None,
            sealed=sealing_with(OLD_KEY).seal_tokens(
                tokens, user_id=USER, platform=site.platform, account_id=account_id
            ),
            audit=account_line("account_connected"),
        )

    key = AccountKey(
        user_id=USER, platform=site.platform, external_id=profile.external_id, server=site.server or profile.server
    )
    account = await db.accounts.connect(key, write)
    post_id = new_id()
    url = f"https://share.example.com/s/{to_base62(post_id)}"
    request = PostRequest(id=post_id, account_id=account.id, text=compose("Worth a look 👍 {url}", url), url=url)
    command = Share(
        content=ContentRef(type="video", id=str(post_id)),
        caller=Caller(user_id=USER, actor=USER, scopes=frozenset({"shares"})),
        platforms=[site.platform],
        trigger=Trigger.DECLARE,
        posts={site.platform: request},
    )
    async with db.transaction() as tx:
        work = UnitOfWork(await tx.lock(command.lock_set()), site.clock())
        command.apply(work)
        await tx.write(work.take_writes())
        await tx.deliveries.enqueue(work.take_deliveries())
    return post_id


async def copies_of(site: Site, post: Post) -> int:
    """How many posts with the post's own address are on the server."""
    return sum(post.url in text for text in await site.texts())


@asynccontextmanager
async def open_fake(platform: str) -> AsyncIterator[Site]:
    """A fake of X, LinkedIn, Facebook or Threads."""
    async with cases.opened(platform) as case:

        async def texts() -> list[str]:
            return case.fake.texts()

        async def revoke() -> None:
            case.fake.grants.revoke_all()

        operation = "publish" if platform == "threads" else "create"
        yield Site(
            platform=platform,
            connection=case.connection,
            connector=case.connector,
            publisher_over=case.publisher_over,
            outbound=case.outbound,
            clock=case.clock,
            fail=lambda fault: case.fake.fail(operation, fault),
            texts=texts,
            revoke=revoke,
        )


@asynccontextmanager
async def open_mastodon(*, honours_keys: bool = True) -> AsyncIterator[Site]:
    """A fake Mastodon server."""
    async with mastodon_cases.opened() as case:
        case.fake.honours_keys = honours_keys

        async def texts() -> list[str]:
            return case.fake.texts()

        async def revoke() -> None:
            case.fake.grants.revoke_all()

        yield Site(
            platform="mastodon",
            connection=case.connection,
            connector=case.connector,
            publisher_over=lambda outbound: MastodonPublisher(outbound, now=case.clock),
            outbound=case.outbound,
            clock=case.clock,
            fail=lambda fault: case.fake.fail("create", fault),
            texts=texts,
            revoke=revoke,
        )


@asynccontextmanager
async def open_bluesky(pds: PersonalDataServer) -> AsyncIterator[Site]:
    """A new user of a real Bluesky server, behind a gateway."""
    gateway, clock = Gateway(pds.url), Clock()
    async with opened_site(pds) as site, gateway.serving():
        site.now = clock

        async def texts() -> list[str]:
            return [record["text"] for record in await asyncio.to_thread(pds.records, site.user)]

        async def revoke() -> None:
            body = {"name": "sharetally"}
            method = "com.atproto.server.revokeAppPassword"
            await asyncio.to_thread(lambda: pds.call(method, body, access=site.user.access))

        yield Site(
            platform="bluesky",
            connection=await site.sign_in(),
            connector=site.connector,
            publisher_over=lambda outbound: BlueskyPublisher(outbound, now=clock),
            outbound=site.outbound,
            clock=clock,
            fail=lambda fault: gateway.fail("com.atproto.repo.putRecord", fault),
            texts=texts,
            revoke=revoke,
            server=gateway.url,
        )
