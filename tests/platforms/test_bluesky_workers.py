"""Many workers on one post to a real Bluesky server, each with the real handler and a database: one record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.post import Post, PostStatus
from sharetally.flow.delivery.leases import HeldLease
from tests.contracts.database_rows import DATABASES, database_url_for, open_empty_database
from tests.fakes.api_server import Ending, Fault
from tests.platforms.handling import Process, Site, copies_of, open_bluesky, request_post
from tests.platforms.pds.server import PersonalDataServer

pytestmark = pytest.mark.anyio
WORKERS = 20


@pytest.fixture(params=DATABASES)
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(database_url_for(request, tmp_path)) as opened:
        yield opened


@pytest.fixture
async def site(pds: PersonalDataServer) -> AsyncIterator[Site]:
    async with open_bluesky(pds) as opened:
        yield opened


async def workers(site: Site, db: SqlDatabase) -> list[Process]:
    made = [Process(site, db) for _ in range(WORKERS)]
    for each in made:
        await each.lease.begin()
    return made


async def test_twenty_workers_on_one_delivery_make_one_record(site: Site, db: SqlDatabase) -> None:
    post_id = await request_post(site, db)
    first, *others = await workers(site, db)
    delivery = await first.claim()
    assert delivery is not None
    await asyncio.gather(*(each.attempt(delivery) for each in (first, *others)))
    await first.finish()
    post = await db.posts.by_id(post_id)
    assert isinstance(post, Post)
    assert (post.status, await copies_of(site, post)) == (PostStatus.SUCCESS, 1)


@pytest.mark.parametrize("carried_out", [True, False])
async def test_twenty_workers_that_all_look_for_a_post_make_one_record(
    site: Site, db: SqlDatabase, carried_out: bool
) -> None:
    """The first attempt got no answer; each of them looks, and only whoever has the lease puts the record again."""
    post_id = await request_post(site, db)
    first, *others = await workers(site, db)
    delivery = await first.claim()
    assert delivery is not None
    site.fail(Fault(carried_out=carried_out, ending=Ending.RESET))
    await first.attempt(delivery)
    post = await db.posts.by_id(post_id)
    assert isinstance(post, Post)
    assert (post.status, await copies_of(site, post)) == (PostStatus.UNKNOWN, int(carried_out))
    await asyncio.gather(*(each.handler.deliver(delivery, HeldLease(each.lease)) for each in others))
    assert await copies_of(site, post) == int(carried_out)
    await first.finish()
    post = await db.posts.by_id(post_id)
    assert isinstance(post, Post)
    assert (post.status, await copies_of(site, post)) == (PostStatus.SUCCESS, 1)
