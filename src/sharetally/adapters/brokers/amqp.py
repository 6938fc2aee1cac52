"""RabbitMQ: what carries jobs between processes, and to services outside.

It stands between `flow/publisher.py`, `flow/relay.py` and `flow/worker.py`. Guarantees: order within a queue,
at least once, published means confirmed and in a queue. It connects again by itself, declares again what was
deleted, and never keeps anybody waiting longer than `step_timeout`: whoever publishes gets `BrokerUnavailable`
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

from sharetally.adapters.brokers.amqp_connection import (
    BrokerAddress,
    ReconnectingConnection,
    broker_step,
    publishing_blocked,
    temporary_channel,
)
from sharetally.adapters.brokers.amqp_publishing import ALARM_REASON, ConfirmedChannel, OutgoingMessage
from sharetally.adapters.brokers.amqp_subscription import AmqpSubscription
from sharetally.adapters.brokers.amqp_topology import FEED_EXCHANGE, JOB_EXCHANGE, REJECTED_QUEUE, declare, queue_name
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Broker, Delivery, FeedMessage, Headers, Message, Queue, QueueState, Subscription

_PERSISTENT = 2
_MAX_REASON_LENGTH = 1000  # characters: headers must fit into one frame


class AmqpBroker(Broker):
    """RabbitMQ 3.10 to 4.3 at `url`; with `feed` there is an outside exchange too.

    `step_timeout` bounds each step in seconds, a confirm above all; a peer silent for three `heartbeat`s (also
    seconds) is dead. `ConfigurationError` if the URL cannot be read.
    """

    def __init__(self, url: str, *, feed: bool, step_timeout: float = 10.0, heartbeat: int = 5) -> None:
        address = BrokerAddress.parse(url, step_timeout=step_timeout, heartbeat=heartbeat)
        self._step_timeout = step_timeout
        self._feed = feed
        self._queues: tuple[Queue, ...] = ()
        self._publish_connection = ReconnectingConnection(address, "publishing", self._open_publish_channel)
        self._consume_connection = ReconnectingConnection(address, "consuming", _same_connection)
        self._logged_blocked = False
        self._log = structlog.get_logger("sharetally.broker").bind(broker=address.name)

    @property
    def volatile(self) -> bool:
        """Never: messages are on RabbitMQ's disks."""
        return False

    @property
    def connected(self) -> bool:
        """Whether publishing has a chance just now: connected, and no alarm is on."""
        current = self._publish_connection.current
        return current is not None and not publishing_blocked(current.connection)

    async def open(self, queues: Sequence[Queue]) -> None:
        """Connect and declare the topology; returns after the first try, goes on trying if it failed."""
        self._queues = tuple(queues)
        await asyncio.gather(self._publish_connection.open(), self._consume_connection.open())

    async def close(self) -> None:
        """Leave both connections; repeating is fine."""
        await asyncio.gather(self._publish_connection.close(), self._consume_connection.close())

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish durably and wait for every confirm; `BrokerUnavailable` if any is missing or returned."""
        await self._send([_job_message(message) for message in messages])

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside feed and wait for every confirm; nobody listening is fine."""
        if not self._feed:
            raise BrokerUnavailable("the outside feed is off")
        await self._send([_feed_message(message) for message in messages])

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume one queue over a connection that does not publish; declares again what was deleted."""
        connection = self._consume_connection.require()
        await declare(connection, self._queues, feed=self._feed)
        async with temporary_channel(connection, within=self._step_timeout) as channel:
            yield await self._start_consumer(channel, queue_name(queue), prefetch)

    async def state(self, queue: str) -> QueueState | None:
        """Depth and consumers; None when it cannot be told."""
        with suppress(BrokerUnavailable):
            async with temporary_channel(self._consume_connection.require(), within=self._step_timeout) as channel:
                return await self._queue_state(channel, queue_name(queue))
        return None

    async def _open_publish_channel(self, connection: Connection) -> ConfirmedChannel:
        await declare(connection, self._queues, feed=self._feed)
        async with broker_step("open a channel", within=self._step_timeout):
            channel = await connection.channel(publisher_confirms=True)
        assert isinstance(channel, Channel)
        return ConfirmedChannel(connection, channel)

    async def _start_consumer(self, channel: AbstractChannel, name: str, prefetch: int) -> AmqpSubscription:
        consumer = AmqpSubscription(channel, name, self._reject, within=self._step_timeout)
        await consumer.start(prefetch)
        return consumer

    async def _queue_state(self, channel: AbstractChannel, name: str) -> QueueState:
        async with broker_step(f"look at {name}", within=self._step_timeout):
            declared = await channel.queue_declare(name, passive=True)
        return QueueState(depth=declared.message_count or 0, consumers=declared.consumer_count or 0)

    async def _reject(self, queue: str, delivery: Delivery, reason: str) -> None:
        await self._send([_rejected_message(queue, delivery, reason)])

    async def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        channel = self._publish_connection.require()
        if self._check_blocked(channel.connection):
            raise BrokerUnavailable(ALARM_REASON)
        try:
            async with broker_step("publish", within=self._step_timeout):
                await channel.send(messages)
        except BrokerUnavailable as error:
            await self._recover(channel.connection, error.__cause__)
            raise

    async def _recover(self, connection: Connection, cause: BaseException | None) -> None:
        self._check_blocked(connection)
        if isinstance(cause, TimeoutError):
            # slow or dead cannot be told apart; a new connection can be relied upon
            self._publish_connection.drop()
        elif isinstance(cause, PublishError):
            # returned: somebody deleted the queue or its binding
            with suppress(BrokerUnavailable):
                await declare(connection, self._queues, feed=self._feed)

    def _check_blocked(self, connection: Connection) -> bool:
        is_blocked = publishing_blocked(connection)
        if is_blocked != self._logged_blocked:
            self._logged_blocked = is_blocked
            self._log.warning("broker_blocked") if is_blocked else self._log.info("broker_unblocked")
        return is_blocked


async def _same_connection(connection: Connection) -> Connection:
    return connection


def _job_message(message: Message) -> OutgoingMessage:
    return OutgoingMessage(
        exchange=JOB_EXCHANGE,
        routing_key=message.job,
        body=message.body,
        properties=Basic.Properties(delivery_mode=_PERSISTENT, headers=_header_table(message.headers)),
    )


def _feed_message(message: FeedMessage) -> OutgoingMessage:
    properties = Basic.Properties(
        content_type="application/json",
        delivery_mode=_PERSISTENT,
        message_type=message.job,
        message_id=message.message_id,
        timestamp=message.at,
        app_id="sharetally",
        headers=_header_table(message.headers),
    )
    return OutgoingMessage(
        exchange=FEED_EXCHANGE,
        routing_key=message.job,
        body=message.body,
        properties=properties,
        mandatory=False,
    )


def _header_table(headers: Headers) -> FieldTable | None:
    return dict(headers) if headers else None


def _rejected_message(queue: str, delivery: Delivery, reason: str) -> OutgoingMessage:
    properties = Basic.Properties(
        delivery_mode=_PERSISTENT,
        message_type=delivery.job,
        headers={"x-reason": reason[:_MAX_REASON_LENGTH], "x-queue": queue},
    )
    return OutgoingMessage(exchange="", routing_key=REJECTED_QUEUE, body=delivery.body, properties=properties)
