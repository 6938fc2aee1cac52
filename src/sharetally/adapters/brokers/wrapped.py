"""A broker around another one, for what watches or disturbs it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from sharetally.ports import Broker, FeedMessage, Message, Queue, QueueState, Subscription


class WrappedBroker(Broker):
    """Passes every call on; a subclass overrides those that it changes."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def volatile(self) -> bool:
        """The same as that of the wrapped broker."""
        return self._broker.volatile

    @property
    def connected(self) -> bool:
        """The same as that of the wrapped broker."""
        return self._broker.connected

    async def open(self, queues: Sequence[Queue]) -> None:
        """Open the wrapped broker."""
        await self._broker.open(queues)

    async def close(self) -> None:
        """Close the wrapped broker."""
        await self._broker.close()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish to the wrapped broker."""
        await self._broker.publish(messages)

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the feed of the wrapped broker."""
        await self._broker.publish_feed(messages)

    def subscribe(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[Subscription]:
        """Consume from the wrapped broker."""
        return self._broker.subscribe(queue, prefetch=prefetch)

    async def state(self, queue: str) -> QueueState | None:
        """The same as that of the wrapped broker."""
        return await self._broker.state(queue)
