"""The nudge: tells one worker that something is due, through the broker, after the commit.

It carries nothing and may be lost: without it the loop finds what is due within a second. Commits that come close
together are one nudge.
"""

from __future__ import annotations

import asyncio

import structlog

from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Broker, Message, Queue

JOB = "delivery_due"
QUEUE = Queue(name="deliveries", jobs=(JOB,), max_messages=1_000)
SPACING_SECONDS = 0.05
log = structlog.get_logger("sharetally.delivery")


class Nudge:
    """One per process that commits."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._wanted = asyncio.Event()

    def send(self) -> None:
        """Have one sent; returns at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Send until cancelled; whoever starts this owns it."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._broker.publish([Message(job=JOB, body=b"[]")])
            except BrokerUnavailable as error:
                log.debug("nudge lost", reason=error.detail)
            await asyncio.sleep(SPACING_SECONDS)
