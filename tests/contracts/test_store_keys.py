"""API keys: unique names, look-ups, revoking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import Conflict, TransientConflict
from sharetally.domain.ids import new_id
from sharetally.flow.retry import retry_transaction
from sharetally.ports import ApiKey
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    database_url_for,
    execute_sql,
    open_database,
    open_empty_database,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


def key(name: str = "server") -> ApiKey:
    return ApiKey(
        id=new_id(),
        name=name,
        digest=sha256(name.encode()).digest(),
        scopes=frozenset({"shares", "act-as"}),
        created_at=AT,
    )


async def test_keys_are_listed_newest_first_revoked_ones_too(db: SqlDatabase) -> None:
    one, other, revoked = key("one"), replace(key("Zwö"), scopes=frozenset()), replace(key("old"), revoked_at=AT)
    for each in (one, other, revoked):
        await db.keys.add(each)
    assert await db.keys.all() == [revoked, other, one]


async def test_there_are_no_keys(db: SqlDatabase) -> None:
    assert await db.keys.all() == []
    assert await db.keys.by_digest(bytes(32)) is None


async def test_a_key_is_found_by_its_digest(db: SqlDatabase) -> None:
    one, other = key("one"), key("other")
    await db.keys.add(one)
    await db.keys.add(other)
    assert await db.keys.by_digest(other.digest) == other
    assert await db.keys.by_digest(sha256(b"unknown").digest()) is None


async def test_the_same_key_is_added_once(db: SqlDatabase) -> None:
    one = key()
    await db.keys.add(one)
    with pytest.raises(Conflict):
        await db.keys.add(one)
    with pytest.raises(TransientConflict):
        await db.keys.add(replace(one, name="another"))
    assert await db.keys.all() == [one]


async def test_a_name_is_that_of_one_key_until_it_is_revoked(db: SqlDatabase) -> None:
    """The name identifies the actor and the owner of shares: two keys would be one."""
    one, other = key("shop"), replace(key("shop"), digest=bytes(32))
    await db.keys.add(one)
    with pytest.raises(Conflict, match="an API key named 'shop' is in use"):
        await db.keys.add(other)
    await db.keys.add(replace(key("Shop"), digest=bytes(31) + b"1"))
    assert await db.keys.revoke(one.id)
    await db.keys.add(other)
    assert [each.name for each in await db.keys.all()] == ["Shop", "shop", "shop"]


async def test_of_two_keys_at_once_one_gets_the_name(url: str) -> None:
    async with open_empty_database(url) as db, open_database(url) as twin:
        news = [replace(key("shop"), digest=bytes([each]) * 32) for each in range(8)]
        stores = [retry_transaction(partial((db, twin)[place % 2].keys.add, each)) for place, each in enumerate(news)]
        outcomes = await asyncio.gather(*stores, return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["Conflict"] * 7 + ["NoneType"]
        assert len(await db.keys.all()) == 1


async def test_a_name_that_several_keys_have_already_is_given_to_no_more(db: SqlDatabase) -> None:
    """Keys as an older version created them: all of them continue to work."""
    twins = [replace(key("shop"), digest=bytes([each]) * 32) for each in range(2)]
    await db.keys.add(twins[0])
    await execute_sql(db, "UPDATE api_keys SET active_name = NULL, name = 'other'")
    await db.keys.add(twins[1])
    await execute_sql(db, "UPDATE api_keys SET active_name = NULL, name = 'shop'")
    with pytest.raises(Conflict):
        await db.keys.add(replace(key("shop"), digest=bytes([9]) * 32))
    for each in twins:
        assert await db.keys.by_digest(each.digest) == each


async def test_revoking_keeps_the_first_time(db: SqlDatabase) -> None:
    one = key()
    await db.keys.add(one)
    before = await db.events.now()
    assert await db.keys.revoke(one.id)
    first = await db.keys.by_digest(one.digest)
    assert first is not None
    assert first.revoked_at is not None
    assert abs(first.revoked_at - before) < timedelta(seconds=30)
    assert await db.keys.revoke(one.id)
    assert await db.keys.by_digest(one.digest) == first


async def test_an_unknown_key_is_not_revoked(db: SqlDatabase) -> None:
    await db.keys.add(key())
    assert not await db.keys.revoke(new_id())
    assert (await db.keys.all())[0].revoked_at is None
