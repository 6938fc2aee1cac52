"""How long a session is valid, by a clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sharetally.domain.errors import Unauthenticated, Unavailable
from sharetally.flow.sign_in import IDLE_SECONDS, SESSION_SECONDS, new_session
from sharetally.ports import Session
from sharetally.web.auth.sessions import MAX_SESSIONS, SESSION_TTL, Sessions
from tests.web.manual_clock import ManualClock

pytestmark = pytest.mark.anyio


class FakeStore:
    """One session in memory; counts its calls, and can be unavailable."""

    def __init__(self) -> None:
        self.stored: dict[bytes, Session] = {}
        self.looked_up = 0
        self.seen: list[datetime] = []
        self.away = False

    async def by_digest(self, digest: bytes) -> Session | None:
        self.looked_up += 1
        if self.away:
            raise Unavailable
        return self.stored.get(digest)

    async def record_use(self, session_id: UUID, at: datetime) -> None:
        if self.away:
            raise Unavailable
        self.seen.append(at)
        self.stored = {key: replace(each, seen_at=at) for key, each in self.stored.items()}


class SessionHarness:
    """The sessions of one process, and one of them signed in."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = FakeStore()
        store: Any = self.store
        self.sessions = Sessions(store, clock=self.clock, public_url=None, now=self.clock.seconds)
        self.plain, session = new_session("mara", {"audit"}, now=self.clock.now())
        self.store.stored[session.digest] = session

    async def alive(self, plain: str | None = None) -> bool:
        cookie = f"theme=dark; sharetally-console={plain or self.plain}".encode()
        try:
            await self.sessions.require({"type": "http", "method": "GET", "headers": [(b"cookie", cookie)]})
        except Unauthenticated:
            return False
        return True


@pytest.fixture
def harness() -> SessionHarness:
    return SessionHarness()


async def test_a_session_is_looked_up_periodically(harness: SessionHarness) -> None:
    for _ in range(5):
        assert await harness.alive()
    assert harness.store.looked_up == 1
    harness.clock.advance(SESSION_TTL)
    assert await harness.alive()
    assert harness.store.looked_up == 2


async def test_unknown_sessions_are_cached(harness: SessionHarness) -> None:
    for _ in range(5):
        assert not await harness.alive("A" * 43)
        assert not await harness.alive("no session at all")
    assert harness.store.looked_up == 1
    assert MAX_SESSIONS == 10_000


async def test_it_ends_by_its_time(harness: SessionHarness) -> None:
    for _ in range(SESSION_SECONDS // 3600):
        assert await harness.alive()
        harness.clock.advance(3600)
    assert not await harness.alive()


async def test_it_ends_while_it_is_remembered(harness: SessionHarness) -> None:
    harness.store.stored = {
        digest: replace(each, expires_at=harness.clock.now() + timedelta(seconds=1))
        for digest, each in harness.store.stored.items()
    }
    assert await harness.alive()
    harness.clock.advance(1)
    assert not await harness.alive()


async def test_idle_for_two_hours_it_ends_and_stays_so(harness: SessionHarness) -> None:
    assert await harness.alive()
    harness.clock.advance(IDLE_SECONDS)
    assert not await harness.alive()
    harness.clock.advance(SESSION_TTL)
    assert not await harness.alive()
    assert harness.store.seen == []


async def test_its_use_is_noted_every_few_minutes(harness: SessionHarness) -> None:
    began = harness.clock.now()
    for _ in range(100):
        assert await harness.alive()
        harness.clock.advance(6)
    assert [at - began for at in harness.store.seen] == [timedelta(seconds=300)]
    harness.clock.advance(IDLE_SECONDS - 600)
    assert await harness.alive(), "by its use, not by its begin"


async def test_an_unavailable_database_is_reported(harness: SessionHarness) -> None:
    harness.store.away = True
    with pytest.raises(Unavailable):
        await harness.alive()
