"""A broker that only keeps what is published, and relays that look after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import BrokerUnavailable
from sharetally.domain.event import Event
from sharetally.flow.consumers.count import Count
from sharetally.flow.consumers.post import Post
from sharetally.flow.relay import Relay
from sharetally.ports import Broker, Message, QueueState
from tests.flow.harness import FutureDatabase


class FakeBroker:
    """A broker that keeps what is published; `consumers` are attached to each queue."""

    def __init__(self, *, consumers: int = 0) -> None:
        self.volatile = False
        self.connected = True
        self.refuses = False
        self.sent: list[Message] = []
        self.consumers = consumers

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.refuses:
            raise BrokerUnavailable("away")
        self.sent += messages

    async def state(self, queue: str) -> QueueState:
        return QueueState(depth=0, consumers=self.consumers)

    def marks(self) -> list[str]:
        return [message.job for message in self.sent if message.job.startswith("mark.")]

    def jobs(self) -> list[str]:
        bodies = (message.body for message in self.sent if not message.job.startswith("mark."))
        return [job["jobId"] for body in bodies for job in msgspec.json.decode(body)]


def make_relay(db: SqlDatabase | FutureDatabase, broker: object, *, every: float = 0.01) -> Relay:
    return Relay(
        events=db.events,
        responses=db.responses,
        sessions=db.sessions,
        broker=cast(Broker, broker),
        queues=[Count.queue, Post.queue],
        every=every,
    )


def event_ids(events: Sequence[Event]) -> list[str]:
    return [str(event.id) for event in events]
