"""One consumer on RabbitMQ, with its own channel and manual acknowledgement.

`amqp.py` opens it for `flow/worker.py`. RabbitMQ sends at most `prefetch` messages ahead; they wait in memory until
`next` takes them, so a batch is whatever has arrived, without waiting for a timer. Once the channel, the connection
or the queue is gone, every method raises `BrokerUnavailable`, and RabbitMQ delivers unacknowledged messages again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.common import FieldTable

from sharetally.adapters.brokers.amqp_connection import broker_step
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Delivery, Subscription


class AmqpSubscription(Subscription):
    """The deliveries of one queue.

    `reject` copies a message to the queue of rejected messages; `within` is the time-out of each step in seconds.
    """

    def __init__(
        self,
        channel: AbstractChannel,
        queue: str,
        reject: Callable[[str, Delivery, str], Awaitable[None]],
        *,
        within: float,
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._reject = reject
        self._within = within
        self._received: deque[Delivery] = deque()  # bounded by the prefetch
        self._changed = asyncio.Event()
        self._closed_reason: str | None = None
        self._last_acked_tag = 0

    async def start(self, prefetch: int) -> None:
        """Start consuming."""
        self._channel.closing.add_done_callback(lambda _: self._mark_closed("the connection was lost"))
        self._channel.on_consumer_cancel_callbacks.add(lambda _: self._mark_closed("the queue is gone"))
        async with broker_step(f"consume {self._queue}", within=self._within):
            await self._channel.basic_qos(prefetch_count=prefetch, global_=False)
            await self._channel.basic_consume(self._queue, self._on_delivery)

    async def next(self, at_most: int) -> list[Delivery]:
        """Wait for one delivery, then return it and those that have already arrived, `at_most` in total."""
        while not self._received:
            self._raise_if_closed()
            self._changed.clear()
            await self._changed.wait()
        self._raise_if_closed()
        return [self._received.popleft() for _ in range(min(at_most, len(self._received)))]

    async def ack(self, last: Delivery) -> None:
        """Acknowledge this delivery and every earlier one; a repeated call does nothing."""
        self._raise_if_closed()
        if last.tag <= self._last_acked_tag:
            return
        async with broker_step(f"acknowledge on {self._queue}", within=self._within):
            await self._channel.basic_ack(last.tag, multiple=True)
        self._last_acked_tag = last.tag

    async def reject(self, delivery: Delivery, reason: str) -> None:
        """Copy a message that contains no job to the queue of rejected messages; acknowledge it separately."""
        await self._reject(self._queue, delivery, reason)

    def _raise_if_closed(self) -> None:
        if self._closed_reason is not None:
            raise BrokerUnavailable(f"{self._queue}: {self._closed_reason}")

    async def _on_delivery(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        headers: FieldTable = properties.headers or {}
        self._received.append(
            Delivery(
                tag=message.delivery_tag or 0,
                job=properties.message_type or message.routing_key or "",
                body=message.body,
                redelivered=bool(message.redelivered),
                headers=tuple((name, value) for name, value in headers.items() if isinstance(value, str)),
            )
        )
        self._changed.set()

    def _mark_closed(self, reason: str) -> None:
        self._closed_reason = self._closed_reason or reason
        self._changed.set()
