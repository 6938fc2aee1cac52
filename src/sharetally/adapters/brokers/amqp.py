"""RabbitMQ: what carries jobs between processes, and to services outside.

It stands between `flow/publisher.py`, `flow/relay.py` and `flow/worker.py`. Guarantees: order within a queue,
at least once, published means confirmed and in a queue. It connects again by itself, declares again what was
deleted, and never keeps anybody waiting longer than `patience`: whoever publishes gets `BrokerUnavailable`
and the relay sends again. The connection, publishing, consuming and topology are in the files beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from aiormq import Channel, Connection, PublishError
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pamqp.common import FieldTable

from sharetally.adapters.brokers.amqp_connection import Address, Lasting, blocked, passing_channel, reaching
from sharetally.adapters.brokers.amqp_publishing import ALARM, Confirming, Outgoing
from sharetally.adapters.brokers.amqp_subscription import AmqpSubscription
from sharetally.adapters.brokers.amqp_topology import DEAD, INSIDE, OUTSIDE, declare, queue_name
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Broker, Delivery, FeedMessage, Headers, Message, Queue, QueueState, Subscription

_PERSISTENT = 2
_LONGEST_REASON = 1000  # characters: headers must fit into one frame


class AmqpBroker(Broker):
    """RabbitMQ 3.10 to 4.3 at `url`; with `feed` there is an outside exchange too.

    `patience` bounds each step in seconds, a confirm above all; a peer silent for three `heartbeat`s (also
    seconds) is dead. `Misconfigured` if the URL cannot be read.
    """

    def __init__(self, url: str, *, feed: bool, patience: float = 10.0, heartbeat: int = 5) -> None:
        address = Address.parse(url, patience=patience, heartbeat=heartbeat)
        self._patience = patience
        self._feed = feed
        self._queues: tuple[Queue, ...] = ()
        self._publishing = Lasting(address, "publishing", self._prepared)
        self._consuming = Lasting(address, "consuming", _as_it_is)
        self._told_blocked = False
        self._log = structlog.get_logger("sharetally.broker").bind(broker=address.name)

    @property
    def volatile(self) -> bool:
        """Never: messages are on RabbitMQ's disks."""
        return False

    @property
    def connected(self) -> bool:
        """Whether publishing has a chance just now: connected, and no alarm is on."""
        built = self._publishing.built
        return built is not None and not blocked(built.connection)

    async def open(self, queues: Sequence[Queue]) -> None:
        """Connect and declare the topology; returns after the first try, goes on trying if it failed."""
        self._queues = tuple(queues)
        await asyncio.gather(self._publishing.open(), self._consuming.open())

    async def close(self) -> None:
        """Leave both connections; repeating is fine."""
        await asyncio.gather(self._publishing.close(), self._consuming.close())

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish durably and wait for every confirm; `BrokerUnavailable` if any is missing or returned."""
        await self._send([_inside(message) for message in messages])

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside feed and wait for every confirm; nobody listening is fine."""
        if not self._feed:
            raise BrokerUnavailable("the outside feed is off")
        await self._send([_outside(message) for message in messages])

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume one queue over a connection that does not publish; declares again what was deleted."""
        connection = self._consuming.need()
        await declare(connection, self._queues, feed=self._feed)
        async with passing_channel(connection, within=self._patience) as channel:
            yield await self._consumer(channel, queue_name(queue), prefetch)

    async def state(self, queue: str) -> QueueState | None:
        """Depth and consumers; None when it cannot be told."""
        with suppress(BrokerUnavailable):
            async with passing_channel(self._consuming.need(), within=self._patience) as channel:
                return await self._looked_at(channel, queue_name(queue))
        return None

    async def _prepared(self, connection: Connection) -> Confirming:
        await declare(connection, self._queues, feed=self._feed)
        async with reaching("open a channel", within=self._patience):
            channel = await connection.channel(publisher_confirms=True)
        assert isinstance(channel, Channel)
        return Confirming(connection, channel)

    async def _consumer(self, channel: AbstractChannel, name: str, prefetch: int) -> AmqpSubscription:
        consumer = AmqpSubscription(channel, name, self._bury, within=self._patience)
        await consumer.begin(prefetch)
        return consumer

    async def _looked_at(self, channel: AbstractChannel, name: str) -> QueueState:
        async with reaching(f"look at {name}", within=self._patience):
            seen = await channel.queue_declare(name, passive=True)
        return QueueState(depth=seen.message_count or 0, consumers=seen.consumer_count or 0)

    async def _bury(self, queue: str, delivery: Delivery, reason: str) -> None:
        await self._send([_dead(queue, delivery, reason)])

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        publishing = self._publishing.need()
        if self._alarmed(publishing.connection):
            raise BrokerUnavailable(ALARM)
        try:
            async with reaching("publish", within=self._patience):
                await publishing.send(messages)
        except BrokerUnavailable as error:
            await self._mend(publishing.connection, error.__cause__)
            raise

    async def _mend(self, connection: Connection, cause: BaseException | None) -> None:
        self._alarmed(connection)
        if isinstance(cause, TimeoutError):
            # slow or dead cannot be told apart; a new connection can be relied upon
            self._publishing.drop()
        elif isinstance(cause, PublishError):
            # returned: somebody deleted the queue or its binding
            with suppress(BrokerUnavailable):
                await declare(connection, self._queues, feed=self._feed)

    def _alarmed(self, connection: Connection) -> bool:
        is_blocked = blocked(connection)
        if is_blocked != self._told_blocked:
            self._told_blocked = is_blocked
            self._log.warning("broker_blocked") if is_blocked else self._log.info("broker_unblocked")
        return is_blocked


async def _as_it_is(connection: Connection) -> Connection:
    return connection


def _inside(message: Message) -> Outgoing:
    return Outgoing(
        exchange=INSIDE,
        routing_key=message.job,
        body=message.body,
        properties=Basic.Properties(delivery_mode=_PERSISTENT, headers=_table(message.headers)),
    )


def _outside(message: FeedMessage) -> Outgoing:
    properties = Basic.Properties(
        content_type="application/json",
        delivery_mode=_PERSISTENT,
        message_type=message.job,
        message_id=message.message_id,
        timestamp=message.at,
        app_id="sharetally",
        headers=_table(message.headers),
    )
    return Outgoing(
        exchange=OUTSIDE,
        routing_key=message.job,
        body=message.body,
        properties=properties,
        mandatory=False,
    )


def _table(headers: Headers) -> FieldTable | None:
    return dict(headers) if headers else None


def _dead(queue: str, delivery: Delivery, reason: str) -> Outgoing:
    properties = Basic.Properties(
        delivery_mode=_PERSISTENT,
        message_type=delivery.job,
        headers={"x-reason": reason[:_LONGEST_REASON], "x-queue": queue},
    )
    return Outgoing(exchange="", routing_key=DEAD, body=delivery.body, properties=properties)
