"""The channel on RabbitMQ, for an installation without Redis: a fan-out exchange, and a temporary queue per listener.

Every listener receives every message and picks the contents that somebody follows. A message names the contents whose
counts changed, but not the counts: the worker would have to read each of them, although mostly nobody follows them.
Messages are disposable: they are not confirmed and not written to disk, and a queue holds at most the newest thousand
for ten seconds. Whatever is lost is read again from the database. Announcing and listening use a connection each,
because RabbitMQ stops reading from a connection that publishes while one of its alarms is on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import cast
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
    """The content of one message; `contents` is decoded only by a process in which somebody follows contents."""

    minute_counts: tuple[MinuteCount, ...]
    contents: msgspec.Raw


class AmqpChannel(Channel):
    """The channel on RabbitMQ at `url`, without counts.

    Announcing takes at most `timeout` seconds, every other step at most `step_timeout` seconds.
    """

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
        """Connect, either to announce or, with a listener, to listen: no role does both in one process."""
        self._listener = listener
        await (self._announce_connection if listener is None else self._listen_connection).open()

    async def close(self) -> None:
        """Close both connections; a repeated call does nothing."""
        await asyncio.gather(self._announce_connection.close(), self._listen_connection.close())

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Announce which contents changed; the counts themselves are not sent."""
        await self.announce_changed([count.content for count in counts], minute_counts)

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Publish one message for all listeners."""
        channel = self._announce_connection.current
        if channel is None or publishing_blocked(cast(Connection, channel.connection)):
            return
        announcement = self._encode(
            _Announcement(minute_counts=tuple(minute_counts), contents=msgspec.Raw(self._encode(contents)))
        )
        with suppress(BrokerUnavailable):
            async with broker_step("announce", within=self._timeout):
                properties = Basic.Properties(delivery_mode=_NOT_PERSISTENT)
                await channel.basic_publish(announcement, exchange=EXCHANGE, properties=properties)

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Note them; RabbitMQ delivers the announcements of all contents anyway."""
        self._followed.update(contents)

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Ignore announcements of these contents from now on."""
        self._followed.difference_update(contents)

    async def _open_channel(self, connection: Connection) -> AbstractChannel:
        async with broker_step("open a channel", within=self._step_timeout):
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(EXCHANGE, exchange_type="fanout", durable=True)
        return channel

    async def _open_listener(self, connection: Connection) -> AbstractChannel:
        channel = await self._open_channel(connection)
        # somebody deleted the queue; a new connection creates a new one
        channel.on_consumer_cancel_callbacks.add(lambda _: self._listen_connection.drop())
        async with broker_step("listen", within=self._step_timeout):
            # not a name that RabbitMQ generates: our user may only have rights to names that begin with ours
            queue = f"{EXCHANGE}.{uuid4()}"
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
            changed = self._decode_contents(announcement.contents) if self._followed else ()
        except msgspec.MsgspecError:
            return  # from another version, or not from this service
        if followed := self._followed.intersection(changed):
            self._listener.on_changed(followed)
        if announcement.minute_counts:
            self._listener.on_minute_counts(announcement.minute_counts)
