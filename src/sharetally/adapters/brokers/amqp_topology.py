"""The exchanges and queues on RabbitMQ.

They are declared at each connect, at each subscribe, and when a returned message shows that one was deleted.
Declaring what already exists changes nothing. If it exists with other arguments, or this user may not declare it, it
is used as it is, because another service or an operator may have created it on purpose. RabbitMQ 3.10 to 4.3 all
understand what is declared here: durable quorum queues, a direct exchange for jobs and a topic exchange for the feed.
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
REJECTED_QUEUE = "sharetally.rejected"

_STEP_TIMEOUT_SECONDS = 10.0  # for one declaration; a new quorum queue first has to elect a leader

# By default RabbitMQ 4 drops a message after 20 redeliveries. The value -1 means "no limit" there, but "no redelivery
# at all" in 3.x, so we set a limit that is never reached: it means the same in every version and survives an upgrade.
_UNLIMITED_DELIVERIES = 2**31 - 1


def queue_name(name: str) -> str:
    """The name that the queue `name` has on RabbitMQ."""
    return f"sharetally.{name}"


async def declare(connection: Connection, queues: Sequence[Queue], *, feed: bool) -> None:
    """Declare every exchange, queue and binding; raises `BrokerUnavailable` if RabbitMQ does not answer."""
    await _declare_step(
        connection,
        JOB_EXCHANGE,
        lambda channel: channel.exchange_declare(JOB_EXCHANGE, exchange_type="direct", durable=True),
    )
    if feed:
        await _declare_step(
            connection,
            FEED_EXCHANGE,
            lambda channel: channel.exchange_declare(FEED_EXCHANGE, exchange_type="topic", durable=True),
        )
    await _declare_step(connection, REJECTED_QUEUE, partial(_declare_queue, name=REJECTED_QUEUE))
    for queue in queues:
        name = queue_name(queue.name)
        await _declare_step(connection, name, partial(_declare_queue, name=name, max_messages=queue.max_messages))
        await _declare_step(connection, name, partial(_bind_queue, queue=queue))


async def _declare_step(
    connection: Connection, name: str, step: Callable[[AbstractChannel], Awaitable[object]]
) -> None:
    async with (
        temporary_channel(connection, within=_STEP_TIMEOUT_SECONDS) as channel,
        broker_step(name, within=_STEP_TIMEOUT_SECONDS),
    ):
        try:
            await step(channel)
        except (ChannelPreconditionFailed, ChannelAccessRefused) as error:
            log = structlog.get_logger("sharetally.broker")
            log.warning("broker_used_as_it_stands", name=name, reason=str(error))


async def _declare_queue(channel: AbstractChannel, *, name: str, max_messages: int | None = None) -> None:
    arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": _UNLIMITED_DELIVERIES}
    if max_messages is not None:
        arguments["x-max-length"] = max_messages
    await channel.queue_declare(name, durable=True, arguments=arguments)


async def _bind_queue(channel: AbstractChannel, *, queue: Queue) -> None:
    for key in (*queue.jobs, f"mark.{queue.name}"):
        await channel.queue_bind(queue_name(queue.name), JOB_EXCHANGE, key)
