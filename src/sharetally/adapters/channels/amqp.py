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

from sharetally.adapters.brokers.amqp_connection import Address, Lasting, blocked, reaching
from sharetally.domain.activity import Made
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Channel, Listener

EXCHANGE = "sharetally.live"
_TRANSIENT = 1
_QUEUE: FieldTable = {"x-queue-type": "classic", "x-max-length": 1_000, "x-message-ttl": 10_000}


class _Word(msgspec.Struct, array_like=True):
    """What one message says; `contents` are only looked into where somebody follows any."""

    made: tuple[Made, ...]
    contents: msgspec.Raw


class AmqpChannel(Channel):
    """RabbitMQ at `url`, and no counts; announcing waits `timeout` seconds at most, any other step `patience`."""

    carries_counts = False

    def __init__(self, url: str, *, timeout: float = 0.5, patience: float = 10.0, heartbeat: int = 5) -> None:
        address = Address.parse(url, patience=patience, heartbeat=heartbeat)
        self._timeout = timeout
        self._patience = patience
        self._announcing = Lasting(address, "announcing", self._open_channel)
        self._listening = Lasting(address, "listening", self._consumed)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Word).decode
        self._contents = msgspec.msgpack.Decoder(list[ContentRef]).decode
        self._followed: set[ContentRef] = set()
        self._listener: Listener | None = None

    async def open(self, listener: Listener | None) -> None:
        """Connect, to announce, or else to listen: in no role one process does both."""
        self._listener = listener
        await (self._announcing if listener is None else self._listening).open()

    async def close(self) -> None:
        """Leave; repeating is fine."""
        await asyncio.gather(self._announcing.close(), self._listening.close())

    async def announce(self, counts: Sequence[Count], made: Sequence[Made] = ()) -> None:
        """What moved of it."""
        await self.announce_moved([count.content for count in counts], made)

    async def announce_moved(self, contents: Sequence[ContentRef], made: Sequence[Made] = ()) -> None:
        """One message, whoever hears it."""
        channel = self._announcing.built
        if channel is None or blocked(cast(Connection, channel.connection)):
            return
        word = self._encode(_Word(made=tuple(made), contents=msgspec.Raw(self._encode(contents))))
        with suppress(BrokerUnavailable):
            async with reaching("announce", within=self._timeout):
                properties = Basic.Properties(delivery_mode=_TRANSIENT)
                await channel.basic_publish(word, exchange=EXCHANGE, properties=properties)

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Everything is heard anyway."""
        self._followed.update(contents)

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Pass over it from now on."""
        self._followed.difference_update(contents)

    async def _open_channel(self, connection: Connection) -> AbstractChannel:
        async with reaching("open a channel", within=self._patience):
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(EXCHANGE, exchange_type="fanout", durable=True)
        return channel

    async def _consumed(self, connection: Connection) -> AbstractChannel:
        channel = await self._open_channel(connection)
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        async with reaching("listen", within=self._patience):
            queue = f"{EXCHANGE}.{uuid4()}"  # not RabbitMQ's `amq.gen-…`: our user may touch what bears our name
            await channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=_QUEUE)
            await channel.queue_bind(queue, EXCHANGE, "")
            await channel.basic_consume(queue, self._on_word, no_ack=True)
        if self._listener is not None:
            self._listener.gapped()
        return channel

    async def _on_word(self, message: DeliveredMessage) -> None:
        if self._listener is None:
            return
        try:
            word = self._decode(message.body)
            moved = self._followed.intersection(self._contents(word.contents)) if self._followed else None
        except msgspec.MsgspecError:
            return  # another version's, or a stranger's
        if moved:
            self._listener.moved(moved)
        if word.made:
            self._listener.made(word.made)

    def _cancelled(self, _: Any) -> None:
        """Somebody deleted the queue; another connection makes another."""
        self._listening.drop()
