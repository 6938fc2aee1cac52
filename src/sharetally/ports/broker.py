"""What carries jobs: in order within a queue, at least once; losing some is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from sharetally.ports.events import EventRef

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Names and texts that travel beside a body, such as `traceparent`; a few short ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """A work queue: `sharetally.<name>`, fed by the routing keys of `jobs`.

    Where `max_messages` is set, the oldest messages beyond it are dropped.
    """

    name: str
    jobs: tuple[str, ...]
    max_messages: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message of our own: routing key `job` (or `mark.<queue>`), body a JSON array of jobs.

    For a broker inside this process, `refs` are the jobs themselves, and the body is empty.
    """

    job: str
    body: bytes
    headers: Headers = ()
    refs: Sequence[EventRef] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedMessage:
    """One job for the outside world, to the topic exchange `sharetally.events`."""

    job: str
    message_id: str
    at: datetime
    body: bytes
    headers: Headers = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message in hand. `tag` grows with arrival within one consumer; `job` is its routing key or type.

    Only headers that are text are kept. `refs` are as in `Message`.
    """

    tag: int
    job: str
    body: bytes
    redelivered: bool = False
    headers: Headers = ()
    refs: Sequence[EventRef] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueState:
    """What the broker says of a queue: messages ready, consumers attached. An estimate, never a proof."""

    depth: int
    consumers: int


class Subscription(Protocol):
    """Deliveries of one queue, in order; at most `prefetch` are unacknowledged."""

    async def next(self, at_most: int) -> list[Delivery]:
        """Wait for one delivery, then return it with all that is already here, `at_most`.

        Raises `BrokerUnavailable` when the connection is lost: what was not acknowledged comes again.
        """
        ...

    async def ack(self, last: Delivery) -> None:
        """Acknowledge this delivery and every one before it."""
        ...

    async def reject(self, delivery: Delivery, reason: str) -> None:
        """Copy a message that holds no job to the dead queue; it still has to be acknowledged."""
        ...


class Broker(Protocol):
    """Carries jobs, in order within a queue, at least once; losing some is allowed, the relay sends again."""

    @property
    def volatile(self) -> bool:
        """Whether queued messages die with this process."""
        ...

    async def open(self, queues: Sequence[Queue]) -> None:
        """Connect and declare the topology; keeps trying in the background when nobody answers."""
        ...

    async def close(self) -> None:
        """Leave; repeating is fine."""
        ...

    @property
    def connected(self) -> bool:
        """Whether publishing has a chance just now."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish durably and wait for every confirm; `BrokerUnavailable` if any is missing or returned."""
        ...

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside feed and wait for every confirm; nobody listening is fine."""
        ...

    def subscribe(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[Subscription]:
        """Consume one queue over a connection that does not publish."""
        ...

    async def state(self, queue: str) -> QueueState | None:
        """Depth and consumers; None when it cannot be told."""
        ...
