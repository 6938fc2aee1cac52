"""The broker on RabbitMQ: it carries jobs between processes, and the feed to other services.

`flow/publisher.py` and `flow/relay.py` publish through it, and `flow/worker.py` consumes from it. It guarantees order
within a queue and delivery at least once; a message counts as published once RabbitMQ has confirmed it and a queue
holds it. It reconnects by itself and declares deleted queues again. No call waits longer than `step_timeout`: the
caller then gets `BrokerUnavailable`, and the relay sends the job again later. The connection, publishing, consuming
and the topology are in the other `amqp_*` files of this folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from aiormq import Channel, Connection, PublishError
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
_MAX_REASON_LENGTH = 1000  # characters; all headers must fit into one frame


class AmqpBroker(Broker):
    """RabbitMQ 3.10 to 4.3 at `url`; `feed` also declares the exchange for other services.

    `step_timeout` is how long each step may take, in seconds; waiting for the confirms is one step. A server that
    is silent for three times `heartbeat` seconds is taken for dead. Raises `ConfigurationError` for an invalid URL.
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
        """Always False: RabbitMQ stores messages on disk."""
        return False

    @property
    def connected(self) -> bool:
        """Whether publishing can succeed now: the connection is up and RabbitMQ has raised no alarm."""
        current = self._publish_connection.current
        return current is not None and not publishing_blocked(current.connection)

    async def open(self, queues: Sequence[Queue]) -> None:
        """Connect and declare the topology; returns after the first attempt, and retries in the background."""
        self._queues = tuple(queues)
        await asyncio.gather(self._publish_connection.open(), self._consume_connection.open())

    async def close(self) -> None:
        """Close both connections; a repeated call does nothing."""
        await asyncio.gather(self._publish_connection.close(), self._consume_connection.close())

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish durably and wait for every confirm; `BrokerUnavailable` if any is missing or returned."""
        await self._send(
            [
                OutgoingMessage(
                    exchange=JOB_EXCHANGE,
                    routing_key=message.job,
                    body=message.body,
                    properties=Basic.Properties(delivery_mode=_PERSISTENT, headers=_header_table(message.headers)),
                )
                for message in messages
            ]
        )

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the feed and wait for every confirm; the feed needs no subscribers."""
        if not self._feed:
            raise BrokerUnavailable("the feed is off")
        await self._send(
            [
                OutgoingMessage(
                    exchange=FEED_EXCHANGE,
                    routing_key=message.job,
                    body=message.body,
                    properties=Basic.Properties(
                        content_type="application/json",
                        delivery_mode=_PERSISTENT,
                        message_type=message.job,
                        message_id=message.message_id,
                        timestamp=message.at,
                        app_id="sharetally",
                        headers=_header_table(message.headers),
                    ),
                    mandatory=False,
                )
                for message in messages
            ]
        )

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume one queue on the connection that does not publish; declares again what was deleted."""
        connection = self._consume_connection.require()
        await declare(connection, self._queues, feed=self._feed)
        async with temporary_channel(connection, within=self._step_timeout) as channel:
            consumer = AmqpSubscription(channel, queue_name(queue), self._reject, within=self._step_timeout)
            await consumer.start(prefetch)
            yield consumer

    async def state(self, queue: str) -> QueueState | None:
        """How many messages are ready and how many consumers there are; None if RabbitMQ does not answer."""
        with suppress(BrokerUnavailable):
            async with (
                temporary_channel(self._consume_connection.require(), within=self._step_timeout) as channel,
                broker_step(f"inspect {queue_name(queue)}", within=self._step_timeout),
            ):
                declared = await channel.queue_declare(queue_name(queue), passive=True)
                return QueueState(depth=declared.message_count or 0, consumers=declared.consumer_count or 0)
        return None

    async def _open_publish_channel(self, connection: Connection) -> ConfirmedChannel:
        await declare(connection, self._queues, feed=self._feed)
        async with broker_step("open a channel", within=self._step_timeout):
            channel = await connection.channel(publisher_confirms=True)
        assert isinstance(channel, Channel)
        return ConfirmedChannel(connection, channel)

    async def _reject(self, queue: str, delivery: Delivery, reason: str) -> None:
        properties = Basic.Properties(
            delivery_mode=_PERSISTENT,
            message_type=delivery.job,
            headers={"x-reason": reason[:_MAX_REASON_LENGTH], "x-queue": queue},
        )
        await self._send(
            [OutgoingMessage(exchange="", routing_key=REJECTED_QUEUE, body=delivery.body, properties=properties)]
        )

    async def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        channel = self._publish_connection.require()
        if self._check_blocked(channel.connection):
            raise BrokerUnavailable(ALARM_REASON)
        try:
            async with broker_step("publish", within=self._step_timeout):
                await channel.send(messages)
        except BrokerUnavailable as error:
            self._check_blocked(channel.connection)
            if isinstance(error.__cause__, TimeoutError):
                # a slow connection cannot be told from a dead one, so replace it
                self._publish_connection.drop()
            elif isinstance(error.__cause__, PublishError):
                # the message was returned: somebody deleted the queue or its binding
                with suppress(BrokerUnavailable):
                    await declare(channel.connection, self._queues, feed=self._feed)
            raise

    def _check_blocked(self, connection: Connection) -> bool:
        is_blocked = publishing_blocked(connection)
        if is_blocked != self._logged_blocked:
            self._logged_blocked = is_blocked
            self._log.warning("broker_blocked") if is_blocked else self._log.info("broker_unblocked")
        return is_blocked


async def _same_connection(connection: Connection) -> Connection:
    return connection


def _header_table(headers: Headers) -> FieldTable | None:
    return dict(headers) if headers else None
