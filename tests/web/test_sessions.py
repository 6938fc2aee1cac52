"""How long a session holds, by a clock that stands until it is moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sharetally.domain.errors import Unauthenticated, Unavailable
from sharetally.flow.signing_in import IDLE_SECONDS, SESSION_SECONDS, new_session
from sharetally.ports import Session
from sharetally.web.who.sessions import MAX_SESSIONS, SESSION_TTL, Sessions
from tests.web.hand_clock import HandClock

pytestmark = pytest.mark.anyio


class FakeStore:
    """One session in memory; counts what is asked of it, and can be away."""

    def __init__(self) -> None:
        self.stored: dict[bytes, Session] = {}
        self.looked_up = 0
        self.seen: list[datetime] = []
        self.away = False

    async def session_by_digest(self, digest: bytes) -> Session | None:
        self.looked_up += 1
        if self.away:
            raise Unavailable
        return self.stored.get(digest)

    async def session_seen(self, session_id: UUID, at: datetime) -> None:
        if self.away:
            raise Unavailable
        self.seen.append(at)
        self.stored = {key: replace(each, seen_at=at) for key, each in self.stored.items()}


class Stand:
    """The sessions of one process, and one of them signed in."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = FakeStore()
        store: Any = self.store
        self.sessions = Sessions(store, clock=self.clock, public_url=None, now=self.clock.seconds)
        self.plain, session = new_session("mara", {"audit"}, now=self.clock.now())
        self.store.stored[session.digest] = session

    async def alive(self, plain: str | None = None) -> bool:
        cookie = f"theme=dark; sharetally-console={plain or self.plain}".encode()
        try:
            await self.sessions.of({"type": "http", "method": "GET", "headers": [(b"cookie", cookie)]})
        except Unauthenticated:
            return False
        return True


@pytest.fixture
def stand() -> Stand:
    return Stand()


async def test_it_is_looked_up_now_and_then(stand: Stand) -> None:
    for _ in range(5):
        assert await stand.alive()
    assert stand.store.looked_up == 1
    stand.clock.forward(SESSION_TTL)
    assert await stand.alive()
    assert stand.store.looked_up == 2


async def test_what_is_none_is_remembered_too(stand: Stand) -> None:
    for _ in range(5):
        assert not await stand.alive("A" * 43)
        assert not await stand.alive("no session at all")
    assert stand.store.looked_up == 1
    assert MAX_SESSIONS == 10_000


async def test_it_ends_by_its_time(stand: Stand) -> None:
    for _ in range(SESSION_SECONDS // 3600):
        assert await stand.alive()
        stand.clock.forward(3600)
    assert not await stand.alive()


async def test_it_ends_while_it_is_remembered(stand: Stand) -> None:
    stand.store.stored = {
        digest: replace(each, expires_at=stand.clock.now() + timedelta(seconds=1))
        for digest, each in stand.store.stored.items()
    }
    assert await stand.alive()
    stand.clock.forward(1)
    assert not await stand.alive()


async def test_idle_for_two_hours_it_ends_and_stays_so(stand: Stand) -> None:
    assert await stand.alive()
    stand.clock.forward(IDLE_SECONDS)
    assert not await stand.alive()
    stand.clock.forward(SESSION_TTL)
    assert not await stand.alive()
    assert stand.store.seen == []


async def test_its_use_is_noted_every_few_minutes(stand: Stand) -> None:
    began = stand.clock.now()
    for _ in range(100):
        assert await stand.alive()
        stand.clock.forward(6)
    assert [at - began for at in stand.store.seen] == [timedelta(seconds=300)]
    stand.clock.forward(IDLE_SECONDS - 600)
    assert await stand.alive(), "by its use, not by its begin"


async def test_a_database_that_is_away_is_told_as_such(stand: Stand) -> None:
    stand.store.away = True
    with pytest.raises(Unavailable):
        await stand.alive()
