"""Verification runs on request of many callers: one run at a time, and its result is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Conflict, TransientConflict, Unavailable
from sharetally.domain.proof import VerificationResult, VerificationRun
from sharetally.flow import verification
from sharetally.flow.retry import MAX_TRIES, retry_transaction
from sharetally.flow.verification import VerificationRunner
from sharetally.ports import ProofStore, VerificationRunStore

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 20, tzinfo=UTC)


class FakeProving:
    """Finds nothing off; `held` says whether another process looks."""

    def __init__(self) -> None:
        self.held = False
        self.begun = list[tuple[float, bool]]()
        self.twice = asyncio.Event()
        self.go = asyncio.Event()

    async def extend_lease(self, seconds: float, *, renew: bool = False) -> bool:
        self.begun.append((seconds, renew))
        if renew and seconds:
            self.twice.set()
            raise Unavailable
        return not self.held

    async def verify(self, _: ContentRef | None, __: Callable[[int], None]) -> VerificationResult:
        await self.go.wait()
        return VerificationResult(content_items=3, drifted=())

    async def record(self, verdict: VerificationResult, seconds: float) -> VerificationRun:
        return VerificationRun(at=AT, content_items=verdict.content_items, drift=verdict.drift, seconds=seconds)


def make_runner(proving: FakeProving) -> VerificationRunner:
    return VerificationRunner(proof=cast(ProofStore, proving), runs=cast(VerificationRunStore, proving))


async def test_a_long_verification_keeps_and_then_releases_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "LEASE_SECONDS", 0.01)
    proving = FakeProving()
    looks = make_runner(proving)
    running, asking = asyncio.create_task(looks.run()), asyncio.create_task(looks.verify())
    await proving.twice.wait()
    proving.go.set()
    assert (await asking).run.content_items == 3
    first, *_, last = proving.begun
    assert [first, last] == [(0.01, False), (0, True)]
    running.cancel()


async def test_a_verification_of_another_process_is_not_awaited() -> None:
    proving = FakeProving()
    proving.held = True
    looks = make_runner(proving)
    running = asyncio.create_task(looks.run())
    with pytest.raises(Conflict, match="GET /operation/status"):
        await looks.verify()
    running.cancel()


async def test_waiting_callers_fail_when_the_service_stops() -> None:
    looks = make_runner(FakeProving())
    running, asking = asyncio.create_task(looks.run()), asyncio.create_task(looks.verify())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(Unavailable):
        await asking


async def test_a_step_is_retried_a_limited_number_of_times() -> None:
    tries = list[int]()

    async def step(works_at: int) -> str:
        tries.append(1)
        if len(tries) < works_at:
            raise TransientConflict
        return "done"

    assert await retry_transaction(lambda: step(3)) == "done"
    with pytest.raises(Unavailable):
        await retry_transaction(lambda: step(100))
    assert len(tries) == 3 + MAX_TRIES
