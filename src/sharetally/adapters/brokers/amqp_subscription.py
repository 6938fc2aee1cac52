"""One consumer on RabbitMQ: a channel of its own, acknowledged by hand, many at a time.

`amqp.py` opens it for `flow/worker.py`. RabbitMQ pushes at most `prefetch` messages ahead; they lie here
until `next` takes them, so a batch is what has come, never what a timer allows. When the channel, the
connection or the queue goes, everything raises `BrokerUnavailable` and what was not acknowledged comes again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from sharetally.adapters.brokers.amqp_connection import reaching
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Delivery, Headers, Subscription


class AmqpSubscription(Subscription):
    """Deliveries of one queue; `bury` is how a copy gets to the dead queue, `within` each step's seconds."""

    def __init__(
        self,
        channel: AbstractChannel,
        queue: str,
        bury: Callable[[str, Delivery, str], Awaitable[None]],
        *,
        within: float,
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._bury = bury
        self._within = within
        self._here: deque[Delivery] = deque()  # RabbitMQ keeps it within the prefetch
        self._stirred = asyncio.Event()
        self._lost: str | None = None
        self._acked = 0

    async def begin(self, prefetch: int) -> None:
        """Start consuming."""
        self._channel.closing.add_done_callback(self._on_closed)
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        async with reaching(f"consume {self._queue}", within=self._within):
            await self._channel.basic_qos(prefetch_count=prefetch, global_=False)
            await self._channel.basic_consume(self._queue, self._on_delivery)

    async def next(self, at_most: int) -> list[Delivery]:
        """Wait for one delivery, then return it with all that is already here, `at_most`."""
        while not self._here:
            self._check_alive()
            self._stirred.clear()
            await self._stirred.wait()
        self._check_alive()
        return [self._here.popleft() for _ in range(min(at_most, len(self._here)))]

    async def ack(self, last: Delivery) -> None:
        """Acknowledge this delivery and every one before it; repeating changes nothing."""
        self._check_alive()
        if last.tag <= self._acked:
            return
        async with reaching(f"acknowledge on {self._queue}", within=self._within):
            await self._channel.basic_ack(last.tag, multiple=True)
        self._acked = last.tag

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Copy a message that holds no job to the dead queue; it still has to be acknowledged."""
        await self._bury(self._queue, delivery, reason)

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise BrokerUnavailable(f"{self._queue}: {self._lost}")

    async def _on_delivery(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        self._here.append(
            Delivery(
                tag=message.delivery_tag or 0,
                job=properties.message_type or message.routing_key or "",
                body=message.body,
                redelivered=bool(message.redelivered),
                headers=_texts(properties.headers) if properties.headers else (),
            )
        )
        self._stirred.set()

    def _on_closed(self, _: asyncio.Future[Any]) -> None:
        self._end("the connection was lost")

    def _on_cancelled(self, _: Basic.Cancel) -> None:
        self._end("the queue is gone")

    def _end(self, why: str) -> None:
        self._lost = self._lost or why
        self._stirred.set()


def _texts(table: FieldTable) -> Headers:
    return tuple((name, value) for name, value in table.items() if isinstance(value, str))
