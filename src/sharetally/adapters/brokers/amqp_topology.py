"""Exchanges and queues on RabbitMQ: declared at each connect, each subscribe, and when one turns out gone.

Declaring again what is there changes nothing. What exists with other arguments, or may not be declared by
this user, is used as it stands: a foreign service or an operator may have made it on purpose. All of it
is understood by RabbitMQ 3.10 to 4.3: durable quorum queues, a direct exchange inside, a topic one outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from aiormq import ChannelAccessRefused, ChannelPreconditionFailed, Connection
from aiormq.abc import AbstractChannel
from pamqp.common import FieldTable

from sharetally.adapters.brokers.amqp_connection import passing_channel, reaching
from sharetally.ports import Queue

INSIDE = "sharetally"
OUTSIDE = "sharetally.events"
DEAD = "sharetally.dead"

_WITHIN = 10.0  # seconds for one declaration: a new quorum queue elects a leader first

# RabbitMQ 4 drops a message after 20 redeliveries unless told otherwise. "Without limit" is -1 there and "not
# even once" in 3.x; a limit that is never reached means the same everywhere, and survives an upgrade.
_NEVER_DROPPED = 2**31 - 1


def queue_name(name: str) -> str:
    """The queue `name` as RabbitMQ knows it."""
    return f"sharetally.{name}"


async def declare(connection: Connection, queues: Sequence[Queue], *, feed: bool) -> None:
    """Make sure that all of it is there; `BrokerUnavailable` if RabbitMQ cannot tell."""
    await _try(connection, INSIDE, partial(_exchange, name=INSIDE, kind="direct"))
    if feed:
        await _try(connection, OUTSIDE, partial(_exchange, name=OUTSIDE, kind="topic"))
    await _try(connection, DEAD, partial(_queue, name=DEAD))
    for queue in queues:
        name = queue_name(queue.name)
        await _try(connection, name, partial(_queue, name=name, max_messages=queue.max_messages))
        await _try(connection, name, partial(_bindings, queue=queue))


async def _try(connection: Connection, name: str, step: Callable[[AbstractChannel], Awaitable[None]]) -> None:
    async with passing_channel(connection, within=_WITHIN) as channel, reaching(name, within=_WITHIN):
        try:
            await step(channel)
        except (ChannelPreconditionFailed, ChannelAccessRefused) as refusal:
            log = structlog.get_logger("sharetally.broker")
            log.warning("broker_used_as_it_stands", name=name, reason=str(refusal))


async def _exchange(channel: AbstractChannel, *, name: str, kind: str) -> None:
    await channel.exchange_declare(name, exchange_type=kind, durable=True)


async def _queue(channel: AbstractChannel, *, name: str, max_messages: int | None = None) -> None:
    arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": _NEVER_DROPPED}
    if max_messages is not None:
        arguments["x-max-length"] = max_messages
    await channel.queue_declare(name, durable=True, arguments=arguments)


async def _bindings(channel: AbstractChannel, *, queue: Queue) -> None:
    for key in (*queue.jobs, f"mark.{queue.name}"):
        await channel.queue_bind(queue_name(queue.name), INSIDE, key)
