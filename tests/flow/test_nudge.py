"""The nudge: sent after a commit that wrote deliveries, one for many, and harmless when it is lost."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from sharetally.domain.errors import BrokerUnavailable
from sharetally.flow.delivery.nudge import JOB, Nudge
from sharetally.ports import Broker, Message
from tests.flow.harness import run_in_background

pytestmark = pytest.mark.anyio


class Line:
    """A broker that keeps what is published, and is unavailable as often as the test wants."""

    def __init__(self, *, away: int = 0) -> None:
        self.away = away
        self.tries = 0
        self.sent: list[Message] = []
        self.came = asyncio.Event()

    async def publish(self, messages: list[Message]) -> None:
        self.tries += 1
        if self.tries <= self.away:
            raise BrokerUnavailable("away")
        self.sent += messages
        self.came.set()


async def test_many_commits_are_one_nudge() -> None:
    line = Line()
    nudge = Nudge(cast(Broker, line))
    for _ in range(100):
        nudge.send()
    async with run_in_background(nudge.run()):
        async with asyncio.timeout(10):
            await line.came.wait()
    assert [message.job for message in line.sent] == [JOB]


async def test_one_that_is_lost_does_not_end_the_next() -> None:
    line = Line(away=1)
    nudge = Nudge(cast(Broker, line))
    async with run_in_background(nudge.run()), asyncio.timeout(10):
        while not line.came.is_set():
            nudge.send()
            await asyncio.sleep(0)
    assert line.tries == 2
