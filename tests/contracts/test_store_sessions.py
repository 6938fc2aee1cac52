"""Codes that can be used once, and sessions of the console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import Unavailable
from sharetally.domain.ids import new_id
from sharetally.ports import Session, SignInCode
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    database_url_for,
    open_database,
    open_empty_database,
    query_int,
    session,
)

pytestmark = pytest.mark.anyio
LATER = AT + timedelta(minutes=10)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


def code(*, expires_at: datetime = LATER) -> SignInCode:
    scopes = frozenset({"shares", "admin"})
    return SignInCode(digest=token_bytes(32), user_id="Çarla", scopes=scopes, session_seconds=90, expires_at=expires_at)


def begin_session(by: SignInCode) -> Session:
    return session(user_id=by.user_id, scopes=by.scopes, expires_at=AT + timedelta(seconds=by.session_seconds))


async def test_a_code_begins_one_session(db: SqlDatabase) -> None:
    one, other = code(), code()
    await db.sessions.add_code(one)
    await db.sessions.add_code(other)
    made = await db.sessions.redeem(one.digest, AT, begin_session)
    assert made is not None
    assert (made.user_id, made.scopes, made.expires_at) == ("Çarla", one.scopes, AT + timedelta(seconds=90))
    assert await db.sessions.by_digest(made.digest) == made
    assert await db.sessions.redeem(one.digest, AT, begin_session) is None
    assert await db.sessions.redeem(token_bytes(32), AT, begin_session) is None
    assert await db.sessions.all() == [made]


async def test_an_expired_code_begins_none(db: SqlDatabase) -> None:
    late = code()
    await db.sessions.add_code(late)
    assert await db.sessions.redeem(late.digest, LATER, begin_session) is None
    assert await db.sessions.all() == []


async def test_a_code_whose_session_cannot_begin_is_not_used_up(db: SqlDatabase) -> None:
    one, taken = code(), session()
    await db.sessions.add_code(one)
    await db.sessions.add(taken)
    with pytest.raises(Unavailable):
        await db.sessions.redeem(one.digest, AT, lambda _: replace(taken, id=new_id()))
    assert await db.sessions.redeem(one.digest, AT, begin_session) is not None


async def test_of_many_at_once_exactly_one_signs_in(db: SqlDatabase, url: str) -> None:
    one = code()
    await db.sessions.add_code(one)
    if urlsplit(url).scheme == "sqlite":  # it serves one process
        made = await asyncio.gather(*(db.sessions.redeem(one.digest, AT, begin_session) for _ in range(10)))
    else:
        async with open_database(url) as other:
            made = await asyncio.gather(
                *(each.sessions.redeem(one.digest, AT, begin_session) for each in (db, other) * 5)
            )
    (winner,) = [each for each in made if each is not None]
    assert await db.sessions.all() == [winner]


async def test_a_session_is_found_by_its_digest(db: SqlDatabase) -> None:
    one, named = session(), session(name="Çarla Lund", scopes=frozenset({"admin"}))
    await db.sessions.add(one)
    await db.sessions.add(named)
    assert await db.sessions.by_digest(named.digest) == named
    assert await db.sessions.by_digest(token_bytes(32)) is None
    assert await db.sessions.all() == [named, one]


async def test_the_latest_use_stays(db: SqlDatabase) -> None:
    one = session()
    await db.sessions.add(one)
    await db.sessions.record_use(one.id, LATER)
    await db.sessions.record_use(one.id, AT + timedelta(minutes=1))
    assert await db.sessions.by_digest(one.digest) == replace(one, seen_at=LATER)


async def test_a_session_can_be_ended(db: SqlDatabase) -> None:
    one, other, carla = session(), session(), session(user_id="carla")
    for each in (one, other, carla):
        await db.sessions.add(each)
    waiting = replace(code(), user_id="anna")
    await db.sessions.add_code(waiting)
    assert await db.sessions.end(one.id)
    assert not await db.sessions.end(one.id)
    assert await db.sessions.end_all_of("anna") == 2
    assert await db.sessions.redeem(waiting.digest, AT, begin_session) is None
    assert await db.sessions.all() == [carla]


async def test_expired_sessions_and_codes_are_purged(db: SqlDatabase) -> None:
    now = await db.events.now()
    soon, before = now + timedelta(hours=1), now - timedelta(seconds=1)
    lasting = session(seen_at=now, expires_at=soon)
    idle, over = session(seen_at=now - timedelta(minutes=5), expires_at=soon), session(seen_at=now, expires_at=before)
    for each in (lasting, idle, over):
        await db.sessions.add(each)
    for ends in (soon, before):
        await db.sessions.add_code(code(expires_at=ends))
    assert await db.sessions.purge(600, at_most=10) == 2
    assert await db.sessions.all() == [idle, lasting]
    assert await db.sessions.purge(60, at_most=10) == 1
    assert await db.sessions.purge(60, at_most=10) == 0
    assert await db.sessions.all() == [lasting]
    assert await query_int(db, "SELECT count(*) AS n FROM console_codes") == 1
