"""The nudge: tells one worker through the broker, after the commit, that a delivery is due.

It carries no data and may be lost: without it, the loop finds what is due within a second. Commits that follow each
other closely share one nudge.
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
    """Sends nudges for one process that commits."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._wanted = asyncio.Event()

    def send(self) -> None:
        """Request a nudge; returns at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Send the requested nudges until cancelled; the caller owns the task."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._broker.publish([Message(job=JOB, body=b"[]")])
            except BrokerUnavailable as error:
                log.debug("nudge lost", reason=error.detail)
            await asyncio.sleep(SPACING_SECONDS)
