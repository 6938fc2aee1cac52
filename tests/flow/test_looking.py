"""Looks at everything, asked for by many: one at a time, and what it finds is noted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Conflict, RunAgain, Unavailable
from sharetally.domain.proof import Look, Verdict
from sharetally.flow import looking
from sharetally.flow.again import TRIES, again
from sharetally.flow.looking import Looking
from sharetally.ports import Proving

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 20, tzinfo=UTC)


class FakeProving:
    """Finds nothing off; `held` says whether another process looks."""

    def __init__(self) -> None:
        self.held = False
        self.begun = list[tuple[float, bool]]()
        self.twice = asyncio.Event()
        self.go = asyncio.Event()

    async def begin_look(self, seconds: float, *, again: bool = False) -> bool:
        self.begun.append((seconds, again))
        if again and seconds:
            self.twice.set()
            raise Unavailable
        return not self.held

    async def verify(self, _: ContentRef | None, __: Callable[[int], None]) -> Verdict:
        await self.go.wait()
        return Verdict(contents=3, drifted=())

    async def note_look(self, verdict: Verdict, seconds: float) -> Look:
        return Look(at=AT, contents=verdict.contents, drift=verdict.drift, seconds=seconds)


async def test_a_long_look_is_held_and_then_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "HELD_SECONDS", 0.01)
    proving = FakeProving()
    looks = Looking(cast(Proving, proving))
    running, asking = asyncio.create_task(looks.run()), asyncio.create_task(looks.look())
    await proving.twice.wait()
    proving.go.set()
    assert (await asking).look.contents == 3
    first, *_, last = proving.begun
    assert [first, last] == [(0.01, False), (0, True)]
    running.cancel()


async def test_nobody_waits_for_another_process() -> None:
    proving = FakeProving()
    proving.held = True
    looks = Looking(cast(Proving, proving))
    running = asyncio.create_task(looks.run())
    with pytest.raises(Conflict, match="GET /operation/status"):
        await looks.look()
    running.cancel()


async def test_who_waits_when_the_service_ends_is_told() -> None:
    looks = Looking(cast(Proving, FakeProving()))
    running, asking = asyncio.create_task(looks.run()), asyncio.create_task(looks.look())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(Unavailable):
        await asking


async def test_a_step_runs_again_and_not_for_ever() -> None:
    tries = list[int]()

    async def step(works_at: int) -> str:
        tries.append(1)
        if len(tries) < works_at:
            raise RunAgain
        return "done"

    assert await again(lambda: step(3)) == "done"
    with pytest.raises(Unavailable):
        await again(lambda: step(100))
    assert len(tries) == 3 + TRIES
