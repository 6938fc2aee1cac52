"""API keys, stored answers that grow old, and the revision of the schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.adapters.migrations import HEAD
from sharetally.domain.errors import Conflict, TransientConflict
from sharetally.domain.ids import new_id
from sharetally.flow.retry import again
from sharetally.ports import ApiKey, IdempotencyKey, LockSet, StoredResponse, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    database_url_for,
    execute_sql,
    open_database,
    open_empty_database,
    write_rows,
)

pytestmark = pytest.mark.anyio

A_MINUTE_AGO = {
    "postgresql": "clock_timestamp() - INTERVAL '60 seconds'",
    "mysql": "CURRENT_TIMESTAMP(6) - INTERVAL 60 SECOND",
    "sqlite": "strftime('%Y-%m-%d %H\\:%M\\:%f000', 'now', '-60 seconds')",
}


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


# keys


async def test_keys_are_listed_newest_first_revoked_ones_too(db: SqlDatabase) -> None:
    one, other, revoked = key("one"), replace(key("Zwö"), scopes=frozenset()), replace(key("old"), revoked_at=AT)
    for each in (one, other, revoked):
        await db.add_key(each)
    assert await db.keys() == [revoked, other, one]


async def test_there_are_no_keys(db: SqlDatabase) -> None:
    assert await db.keys() == []
    assert await db.key_by_digest(bytes(32)) is None


async def test_a_key_is_known_by_its_digest(db: SqlDatabase) -> None:
    one, other = key("one"), key("other")
    await db.add_key(one)
    await db.add_key(other)
    assert await db.key_by_digest(other.digest) == other
    assert await db.key_by_digest(sha256(b"unknown").digest()) is None


async def test_the_same_key_is_added_once(db: SqlDatabase) -> None:
    one = key()
    await db.add_key(one)
    with pytest.raises(Conflict):
        await db.add_key(one)
    with pytest.raises(TransientConflict):
        await db.add_key(replace(one, name="another"))
    assert await db.keys() == [one]


async def test_a_name_is_that_of_one_key_until_it_is_revoked(db: SqlDatabase) -> None:
    """It says who acts and whose the shares are: two keys would be one."""
    one, other = key("shop"), replace(key("shop"), digest=bytes(32))
    await db.add_key(one)
    with pytest.raises(Conflict, match="an API key named 'shop' is in use"):
        await db.add_key(other)
    await db.add_key(replace(key("Shop"), digest=bytes(31) + b"1"))
    assert await db.revoke_key(one.id)
    await db.add_key(other)
    assert [each.name for each in await db.keys()] == ["Shop", "shop", "shop"]


async def test_of_two_keys_at_once_one_gets_the_name(url: str) -> None:
    async with open_empty_database(url) as db, open_database(url) as twin:
        news = [replace(key("shop"), digest=bytes([each]) * 32) for each in range(8)]
        stores = [again(partial((db, twin)[place % 2].add_key, each)) for place, each in enumerate(news)]
        outcomes = await asyncio.gather(*stores, return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["Conflict"] * 7 + ["NoneType"]
        assert len(await db.keys()) == 1


async def test_a_name_that_several_keys_have_already_is_given_to_no_more(db: SqlDatabase) -> None:
    """As an older version made them: all of them go on working."""
    twins = [replace(key("shop"), digest=bytes([each]) * 32) for each in range(2)]
    await db.add_key(twins[0])
    await execute_sql(db, "UPDATE api_keys SET active_name = NULL, name = 'other'")
    await db.add_key(twins[1])
    await execute_sql(db, "UPDATE api_keys SET active_name = NULL, name = 'shop'")
    with pytest.raises(Conflict):
        await db.add_key(replace(key("shop"), digest=bytes([9]) * 32))
    for each in twins:
        assert await db.key_by_digest(each.digest) == each


async def test_revoking_keeps_the_first_time(db: SqlDatabase) -> None:
    one = key()
    await db.add_key(one)
    before = await db.now()
    assert await db.revoke_key(one.id)
    first = await db.key_by_digest(one.digest)
    assert first is not None
    assert first.revoked_at is not None
    assert abs(first.revoked_at - before) < timedelta(seconds=30)
    assert await db.revoke_key(one.id)
    assert await db.key_by_digest(one.digest) == first


async def test_an_unknown_key_is_not_revoked(db: SqlDatabase) -> None:
    await db.add_key(key())
    assert not await db.revoke_key(new_id())
    assert (await db.keys())[0].revoked_at is None


# answers


async def test_old_stored_responses_are_purged(db: SqlDatabase, url: str) -> None:
    answer = StoredResponse(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    old, fresh = IdempotencyKey(caller="anna", key="old"), IdempotencyKey(caller="anna", key="fresh")
    await write_rows(db, Writes(responses={old: answer, fresh: answer}))
    past = A_MINUTE_AGO[urlsplit(url).scheme]
    await execute_sql(
        db, f"UPDATE idempotency_keys SET created_at = {past} WHERE request_hash IS NOT NULL AND caller = 'anna'"
    )
    await write_rows(db, Writes(responses={fresh._replace(key="newest"): answer}))
    assert await db.purge_responses(90, at_most=10) == 0
    assert await db.purge_responses(30, at_most=1) == 1
    assert await db.purge_responses(30, at_most=10) == 1
    assert await db.purge_responses(30, at_most=10) == 0
    wanted = frozenset({old, fresh, fresh._replace(key="newest")})
    async with db.transaction() as tx:
        assert set((await tx.lock(LockSet(keys=wanted))).responses) == {fresh._replace(key="newest")}


# revision


async def test_the_revision_is_the_heads(db: SqlDatabase) -> None:
    assert await db.revision() == HEAD


async def test_an_empty_database_has_no_revision(database_url: str) -> None:
    async with open_database(database_url) as bare:
        assert await bare.revision() is None
