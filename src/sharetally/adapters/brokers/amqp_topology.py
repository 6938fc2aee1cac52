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

from sharetally.adapters.brokers.amqp_connection import broker_step, temporary_channel
from sharetally.ports import Queue

JOB_EXCHANGE = "sharetally"
FEED_EXCHANGE = "sharetally.events"
REJECTED_QUEUE = "sharetally.dead"

_STEP_TIMEOUT_SECONDS = 10.0  # seconds for one declaration: a new quorum queue elects a leader first

# RabbitMQ 4 drops a message after 20 redeliveries unless told otherwise. "Without limit" is -1 there and "not
# even once" in 3.x; a limit that is never reached means the same everywhere, and survives an upgrade.
_UNLIMITED_DELIVERIES = 2**31 - 1


def queue_name(name: str) -> str:
    """The queue `name` as RabbitMQ knows it."""
    return f"sharetally.{name}"


async def declare(connection: Connection, queues: Sequence[Queue], *, feed: bool) -> None:
    """Make sure that all of it is there; `BrokerUnavailable` if RabbitMQ cannot tell."""
    await _declare_step(connection, JOB_EXCHANGE, partial(_exchange, name=JOB_EXCHANGE, kind="direct"))
    if feed:
        await _declare_step(connection, FEED_EXCHANGE, partial(_exchange, name=FEED_EXCHANGE, kind="topic"))
    await _declare_step(connection, REJECTED_QUEUE, partial(_queue, name=REJECTED_QUEUE))
    for queue in queues:
        name = queue_name(queue.name)
        await _declare_step(connection, name, partial(_queue, name=name, max_messages=queue.max_messages))
        await _declare_step(connection, name, partial(_bindings, queue=queue))


async def _declare_step(connection: Connection, name: str, step: Callable[[AbstractChannel], Awaitable[None]]) -> None:
    async with (
        temporary_channel(connection, within=_STEP_TIMEOUT_SECONDS) as channel,
        broker_step(name, within=_STEP_TIMEOUT_SECONDS),
    ):
        try:
            await step(channel)
        except (ChannelPreconditionFailed, ChannelAccessRefused) as error:
            log = structlog.get_logger("sharetally.broker")
            log.warning("broker_used_as_it_stands", name=name, reason=str(error))


async def _exchange(channel: AbstractChannel, *, name: str, kind: str) -> None:
    await channel.exchange_declare(name, exchange_type=kind, durable=True)


async def _queue(channel: AbstractChannel, *, name: str, max_messages: int | None = None) -> None:
    arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": _UNLIMITED_DELIVERIES}
    if max_messages is not None:
        arguments["x-max-length"] = max_messages
    await channel.queue_declare(name, durable=True, arguments=arguments)


async def _bindings(channel: AbstractChannel, *, queue: Queue) -> None:
    for key in (*queue.jobs, f"mark.{queue.name}"):
        await channel.queue_bind(queue_name(queue.name), JOB_EXCHANGE, key)
