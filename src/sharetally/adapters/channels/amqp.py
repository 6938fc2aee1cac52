"""The channel over RabbitMQ, where there is no Redis: a fan-out exchange, and a passing queue for each listener.

Every listener gets every word and picks its own. A word names the contents that moved, not what they have now:
whoever counts would have to read that for each of them, and mostly nobody follows it. Words are not worth keeping:
they are not confirmed, not written to disk, and a queue holds the newest thousand for ten seconds at most; what is
lost is read again. Announcing and listening have a connection each, for RabbitMQ stops reading from who publishes
when its alarms are on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

import msgspec
from aiormq import Connection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from sharetally.adapters.brokers.amqp_connection import (
    BrokerAddress,
    ReconnectingConnection,
    broker_step,
    publishing_blocked,
)
from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Channel, Listener

EXCHANGE = "sharetally.live"
_NOT_PERSISTENT = 1
_QUEUE_ARGUMENTS: FieldTable = {"x-queue-type": "classic", "x-max-length": 1_000, "x-message-ttl": 10_000}


class _Announcement(msgspec.Struct, array_like=True):
    """What one message says; `contents` are only looked into where somebody follows any."""

    minute_counts: tuple[MinuteCount, ...]
    contents: msgspec.Raw


class AmqpChannel(Channel):
    """RabbitMQ at `url`, and no counts; announcing waits `timeout` seconds at most, any other step `step_timeout`."""

    carries_counts = False

    def __init__(self, url: str, *, timeout: float = 0.5, step_timeout: float = 10.0, heartbeat: int = 5) -> None:
        address = BrokerAddress.parse(url, step_timeout=step_timeout, heartbeat=heartbeat)
        self._timeout = timeout
        self._step_timeout = step_timeout
        self._announce_connection = ReconnectingConnection(address, "announcing", self._open_channel)
        self._listen_connection = ReconnectingConnection(address, "listening", self._open_listener)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Announcement).decode
        self._decode_contents = msgspec.msgpack.Decoder(list[ContentRef]).decode
        self._followed: set[ContentRef] = set()
        self._listener: Listener | None = None

    async def open(self, listener: Listener | None) -> None:
        """Connect, to announce, or else to listen: in no role one process does both."""
        self._listener = listener
        await (self._announce_connection if listener is None else self._listen_connection).open()

    async def close(self) -> None:
        """Leave; repeating is fine."""
        await asyncio.gather(self._announce_connection.close(), self._listen_connection.close())

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """What moved of it."""
        await self.announce_changed([count.content for count in counts], minute_counts)

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """One message, whoever hears it."""
        channel = self._announce_connection.current
        if channel is None or publishing_blocked(cast(Connection, channel.connection)):
            return
        announcement = self._encode(
            _Announcement(made=tuple(minute_counts), contents=msgspec.Raw(self._encode(contents)))
        )
        with suppress(BrokerUnavailable):
            async with broker_step("announce", within=self._timeout):
                properties = Basic.Properties(delivery_mode=_NOT_PERSISTENT)
                await channel.basic_publish(announcement, exchange=EXCHANGE, properties=properties)

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Everything is heard anyway."""
        self._followed.update(contents)

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Pass over it from now on."""
        self._followed.difference_update(contents)

    async def _open_channel(self, connection: Connection) -> AbstractChannel:
        async with broker_step("open a channel", within=self._step_timeout):
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(EXCHANGE, exchange_type="fanout", durable=True)
        return channel

    async def _open_listener(self, connection: Connection) -> AbstractChannel:
        channel = await self._open_channel(connection)
        channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        async with broker_step("listen", within=self._step_timeout):
            queue = f"{EXCHANGE}.{uuid4()}"  # not RabbitMQ's `amq.gen-…`: our user may touch what bears our name
            await channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=_QUEUE_ARGUMENTS)
            await channel.queue_bind(queue, EXCHANGE, "")
            await channel.basic_consume(queue, self._on_announcement, no_ack=True)
        if self._listener is not None:
            self._listener.on_gap()
        return channel

    async def _on_announcement(self, message: DeliveredMessage) -> None:
        if self._listener is None:
            return
        try:
            announcement = self._decode(message.body)
            moved = (
                self._followed.intersection(self._decode_contents(announcement.contents)) if self._followed else None
            )
        except msgspec.MsgspecError:
            return  # another version's, or a stranger's
        if moved:
            self._listener.on_changed(moved)
        if announcement.minute_counts:
            self._listener.on_minute_counts(announcement.minute_counts)

    def _on_cancelled(self, _: Any) -> None:
        """Somebody deleted the queue; another connection makes another."""
        self._listen_connection.drop()
