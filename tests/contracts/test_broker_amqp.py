"""What only RabbitMQ can do or suffer: confirms, returns, deleted queues, lost and silent connections.

Faults of the network and words of the broker come by a proxy, so that no other test's broker suffers.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic

import aiormq
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp import commands
from pamqp.common import FieldTable
from pamqp.frame import marshal
from structlog.testing import capture_logs

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.amqp_connection import broker_step
from sharetally.adapters.brokers.amqp_publishing import ConfirmedChannel
from sharetally.domain.errors import BrokerUnavailable, ConfigurationError, MalformedMessage
from sharetally.ports import Broker, FeedMessage, Message, Queue, QueueState
from tests.contracts.test_broker import QUEUES, TIMEOUT, bodies_of, created_messages, drains_to, take, wait_until
from tests.services.proxy import Direction, Proxy, open_proxy

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 20, 12, 30, 1, tzinfo=UTC)
IN = Queue(name="in", jobs=("share_inbound",))
BLOCKED = commands.Connection.Blocked("low on memory")


@pytest.fixture(autouse=True)
def nothing_is_left_over(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Asyncio reports a task that is destroyed while pending, or an error that nobody retrieves, only in its log."""
    caplog.set_level(logging.ERROR, logger="asyncio")
    yield
    gc.collect()
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record for record in records if record.name == "asyncio"] == []


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    async with open_proxy(amqp_url) as proxy:
        yield proxy


@pytest.fixture
async def broker(proxy: Proxy) -> AsyncIterator[AmqpBroker]:
    async with open_broker(proxy.url) as broker:
        yield broker


@pytest.fixture
async def raw(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """The channel of an external service."""
    connection = await aiormq.connect(amqp_url)
    yield await connection.channel()
    await connection.close()


@asynccontextmanager
async def open_broker(
    url: str, *, feed: bool = True, step_timeout: float = 10.0, heartbeat: int = 5
) -> AsyncIterator[AmqpBroker]:
    broker = AmqpBroker(url, feed=feed, step_timeout=step_timeout, heartbeat=heartbeat)
    await broker.open([*QUEUES, IN])
    try:
        yield broker
    finally:
        await broker.close()


async def wait_for_connected(broker: Broker, *, connected: bool) -> None:
    async def turned() -> bool:
        return broker.connected is connected

    await wait_until(turned)


async def publishes_again(broker: Broker, body: str) -> None:
    """Publish as the relay does: repeat until it works."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                return await broker.publish(created_messages(body))
            except BrokerUnavailable:
                await asyncio.sleep(0.01)


async def drain(broker: Broker, number: int) -> list[str]:
    """Subscribe as the worker does: repeat until it works; receive so many and acknowledge them."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                async with broker.subscribe("count", prefetch=100) as subscription:
                    deliveries = await take(subscription, number)
                    await subscription.ack(deliveries[-1])
                    return bodies_of(deliveries)
            except BrokerUnavailable:
                await asyncio.sleep(0.01)


async def first_message(raw: AbstractChannel, queue: str) -> DeliveredMessage:
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue(1)
    await raw.basic_qos(prefetch_count=1)
    await raw.basic_consume(queue, arrived.put)
    async with asyncio.timeout(TIMEOUT):
        return await arrived.get()


# publishing


async def test_messages_outlive_the_broker(broker: AmqpBroker, raw: AbstractChannel) -> None:
    assert not broker.volatile
    await broker.publish(created_messages("[]"))
    assert (await first_message(raw, "sharetally.count")).header.properties.delivery_mode == 2
    for queue in ("count", "post", "in", "dead"):
        quorum: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}
        await raw.queue_declare(f"sharetally.{queue}", durable=True, arguments=quorum)


async def test_a_channel_that_ends_without_a_reason_is_a_broker_that_is_away(proxy: Proxy) -> None:
    """aiormq then fails everything that waits for a confirm with a bare `Exception`."""
    async with open_broker(proxy.url) as broker:
        proxy.stall(Direction.TO_CLIENT)
        publishing = asyncio.create_task(broker.publish(created_messages("[]")))
        confirming = broker._publish_connection.require()
        await wait_until(lambda: _waits(confirming))
        await confirming._channel._cancel_tasks(None)
        with pytest.raises(BrokerUnavailable, match="publish: the channel ended"):
            await publishing


async def _waits(confirming: ConfirmedChannel) -> bool:
    return bool(confirming._channel.confirmations)


async def test_an_unexpected_error_counts_as_an_unavailable_broker(
    broker: AmqpBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("a library's own")

    monkeypatch.setattr("aiormq.Channel.queue_declare", broken)
    with capture_logs() as logs, pytest.raises(BrokerUnavailable, match="KeyError"):
        async with broker_step("declare", within=1.0):
            await broker._publish_connection.require()._channel.queue_declare("any")
    assert [line["event"] for line in logs] == ["broker_unexpected_error"]


async def test_a_message_that_cannot_be_encoded_is_malformed(broker: AmqpBroker) -> None:
    """This must not look like an unavailable broker: the sender would retry for ever."""
    with pytest.raises(MalformedMessage, match="RabbitMQ cannot carry this"):
        await broker.publish_feed([FeedMessage(job="x" * 300, message_id="1", at=AT, body=b"{}")])
    await broker.publish(created_messages("[]"))


async def test_one_returned_message_fails_the_call_and_keeps_the_rest(broker: AmqpBroker) -> None:
    lost = Message(job="share_unheard_of", body=b"")
    with pytest.raises(BrokerUnavailable, match="NO_ROUTE"):
        await broker.publish([*created_messages("before"), lost, *created_messages("after")])
    assert await drain(broker, 2) == ["before", "after"]


async def test_a_deleted_queue_is_noticed_and_declared_again(broker: AmqpBroker, raw: AbstractChannel) -> None:
    await raw.queue_delete("sharetally.count")
    with pytest.raises(BrokerUnavailable):
        await broker.publish(created_messages("lost"))
    await broker.publish(created_messages("kept"))
    assert await drain(broker, 1) == ["kept"]


async def test_a_deleted_exchange_is_noticed_and_declared_again(broker: AmqpBroker, raw: AbstractChannel) -> None:
    await raw.exchange_delete("sharetally")
    with pytest.raises(BrokerUnavailable):
        await broker.publish(created_messages("lost"))
    await publishes_again(broker, "kept")
    assert await drain(broker, 1) == ["kept"]


async def test_existing_queues_are_used_unchanged(amqp_url: str, raw: AbstractChannel) -> None:
    await raw.queue_declare("sharetally.in", durable=True)
    with capture_logs() as logs:
        async with open_broker(amqp_url) as broker:
            assert broker.connected
            await raw.basic_publish(b"[]", routing_key="sharetally.in")
            async with broker.subscribe("in", prefetch=1) as subscription:
                assert bodies_of(await take(subscription, 1)) == ["[]"]
    assert "sharetally.in" in {line["name"] for line in logs if line["event"] == "broker_used_as_it_stands"}


# the feed, external messages, the queue of rejected messages


async def test_the_feed_carries_one_job_with_its_properties(broker: AmqpBroker, raw: AbstractChannel) -> None:
    await raw.queue_declare("listener", exclusive=True)
    await raw.queue_bind("listener", "sharetally.events", "share_created")
    await broker.publish_feed([feed("share_created", "1"), feed("share_deleted", "2")])
    message = await first_message(raw, "listener")
    properties = message.header.properties
    assert (message.body, message.routing_key) == (b"{}", "share_created")
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.message_type == "share_created"
    assert properties.message_id == "1"
    assert properties.timestamp == AT
    assert properties.app_id == "sharetally"


async def test_without_a_feed_nothing_is_published_to_it(amqp_url: str, raw: AbstractChannel) -> None:
    async with open_broker(amqp_url, feed=False) as broker:
        with pytest.raises(BrokerUnavailable):
            await broker.publish_feed([feed("share_created", "1")])
    with pytest.raises(aiormq.ChannelNotFoundEntity):
        await raw.exchange_declare("sharetally.events", passive=True)


def feed(job: str, message_id: str) -> FeedMessage:
    return FeedMessage(job=job, message_id=message_id, at=AT, body=b"{}")


async def test_foreign_messages_name_their_job_by_type_or_key(broker: AmqpBroker, raw: AbstractChannel) -> None:
    typed = commands.Basic.Properties(message_type="share_created")
    await raw.basic_publish(b"{}", routing_key="sharetally.in", properties=typed)
    await raw.basic_publish(b"{}", routing_key="sharetally.in")
    async with broker.subscribe("in", prefetch=2) as subscription:
        deliveries = await take(subscription, 2)
    assert [delivery.job for delivery in deliveries] == ["share_created", "sharetally.in"]


async def test_the_dead_queue_keeps_body_reason_and_queue(broker: AmqpBroker, raw: AbstractChannel) -> None:
    await broker.publish(created_messages("no job"))
    async with broker.subscribe("count", prefetch=1) as subscription:
        (delivery,) = await take(subscription, 1)
        await subscription.reject(delivery, "x" * 100_000)
    message = await first_message(raw, "sharetally.rejected")
    assert message.body == b"no job"
    assert message.header.properties.message_type == "share_created"
    headers = message.header.properties.headers or {}
    assert headers == {"x-reason": "x" * 1000, "x-queue": "sharetally.count"}


# connections that are lost


async def test_a_deleted_queue_ends_its_consumer_and_the_next_one_makes_it_again(
    broker: AmqpBroker, raw: AbstractChannel
) -> None:
    async with broker.subscribe("count", prefetch=1) as subscription:
        waiting = asyncio.create_task(subscription.next(1))
        await raw.queue_delete("sharetally.count")
        async with asyncio.timeout(TIMEOUT):
            with pytest.raises(BrokerUnavailable):
                await waiting
    async with broker.subscribe("count", prefetch=1) as subscription:
        await broker.publish(created_messages("kept"))
        assert bodies_of(await take(subscription, 1)) == ["kept"]


async def test_a_lost_connection_is_reported_and_restored(broker: AmqpBroker, proxy: Proxy) -> None:
    await broker.publish(created_messages("a", "b"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        deliveries = await take(subscription, 2)
        proxy.reset()
        with pytest.raises(BrokerUnavailable):
            await subscription.next(1)
        with pytest.raises(BrokerUnavailable):
            await subscription.ack(deliveries[-1])
    await publishes_again(broker, "c")
    assert await drain(broker, 3) == ["a", "b", "c"]


async def test_a_connection_closed_by_the_broker_is_reopened(broker: AmqpBroker, proxy: Proxy) -> None:
    forced = commands.Connection.Close(320, "CONNECTION_FORCED - closed by an operator", 0, 0)
    with capture_logs() as logs:
        async with broker.subscribe("count", prefetch=1) as subscription:
            proxy.inject(marshal(forced, 0))
            async with asyncio.timeout(TIMEOUT):
                with pytest.raises(BrokerUnavailable):
                    await subscription.next(1)
        await publishes_again(broker, "kept")
        assert await drain(broker, 1) == ["kept"]
    assert {line["event"] for line in logs} == {"broker_lost", "broker_connected"}


async def test_a_broker_unavailable_at_the_start_is_connected_later(proxy: Proxy) -> None:
    await proxy.cut()
    with capture_logs() as logs:
        async with open_broker(proxy.url) as broker:
            assert not broker.connected
            assert await broker.state("count") is None
            with pytest.raises(BrokerUnavailable):
                await broker.publish(created_messages("lost"))
            await proxy.restore()
            await wait_for_connected(broker, connected=True)
            await publishes_again(broker, "kept")
            assert await drain(broker, 1) == ["kept"]
    told = [line["purpose"] for line in logs if line["event"] == "broker_unreachable"]
    assert sorted(told) == ["consuming", "publishing"]


async def test_closing_does_not_wait_for_an_unavailable_broker(proxy: Proxy) -> None:
    await proxy.cut()
    began = monotonic()
    async with open_broker(proxy.url):
        pass
    assert monotonic() - began < 5


async def test_interrupted_publishing_fails_and_can_be_repeated(broker: AmqpBroker, proxy: Proxy) -> None:
    proxy.stall(Direction.TO_SERVER, new_connections=False)
    publishing = asyncio.create_task(broker.publish(created_messages("a")))
    await asyncio.sleep(0)
    proxy.reset()
    async with asyncio.timeout(TIMEOUT):
        with pytest.raises(BrokerUnavailable):
            await publishing
    await publishes_again(broker, "a")


async def test_a_silent_connection_is_replaced_when_no_confirm_comes(proxy: Proxy) -> None:
    async with open_broker(proxy.url, step_timeout=1.0) as broker:
        proxy.stall(new_connections=False)
        began = monotonic()
        with pytest.raises(BrokerUnavailable, match="did not answer"):
            await broker.publish(created_messages("lost"))
        await publishes_again(broker, "kept")
    assert monotonic() - began < 12  # missing heartbeats would take 18 seconds


async def test_a_silent_connection_is_noticed_by_its_missing_heartbeats(proxy: Proxy) -> None:
    async with open_broker(proxy.url, heartbeat=1) as broker, broker.subscribe("count", prefetch=1) as subscription:
        proxy.stall(new_connections=False)
        async with asyncio.timeout(TIMEOUT):
            with pytest.raises(BrokerUnavailable):
                await subscription.next(1)
    # closing does not wait for the silent side either


async def test_state_of_a_silent_broker_times_out(proxy: Proxy) -> None:
    async with open_broker(proxy.url, step_timeout=0.5) as broker:
        proxy.stall(new_connections=False)
        async with asyncio.timeout(TIMEOUT):
            assert await broker.state("count") is None


# an alarm of the broker's resources


async def test_a_blocked_connection_refuses_at_once_until_the_alarm_is_over(broker: AmqpBroker, proxy: Proxy) -> None:
    with capture_logs() as logs:
        proxy.inject(marshal(BLOCKED, 0))
        await wait_for_connected(broker, connected=False)
        with pytest.raises(BrokerUnavailable, match="alarm"):
            await broker.publish(created_messages("refused"))
        assert await broker.state("count") == QueueState(depth=0, consumers=0)
        proxy.inject(marshal(commands.Connection.Unblocked(), 0))
        await wait_for_connected(broker, connected=True)
        await broker.publish(created_messages("kept"))
    assert [line["event"] for line in logs] == ["broker_blocked", "broker_unblocked"]


async def test_an_alarm_ends_the_wait_for_a_confirm(broker: AmqpBroker, proxy: Proxy) -> None:
    proxy.stall(Direction.TO_SERVER, new_connections=False)
    publishing = asyncio.create_task(broker.publish(created_messages("held back")))
    await asyncio.sleep(0)
    proxy.inject(marshal(BLOCKED, 0))
    async with asyncio.timeout(5):
        with pytest.raises(BrokerUnavailable, match="alarm"):
            await publishing
    proxy.release()
    proxy.inject(marshal(commands.Connection.Unblocked(), 0))
    await publishes_again(broker, "after")
    await drains_to(broker, "count", QueueState(depth=2, consumers=0))


# secrets


@pytest.mark.parametrize("url", ["http://me:secret@host/", "amqp://me:secret@host:port/", "amqp://", "secret"])
def test_an_invalid_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        AmqpBroker(url, feed=False)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


async def test_a_password_is_never_shown(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = proxy.url.replace("guest:guest", "guest:my-secret")
    with capture_logs() as logs:
        async with open_broker(url) as broker:
            with pytest.raises(BrokerUnavailable) as refusal:
                await broker.publish(created_messages("lost"))
    assert {line["event"] for line in logs} == {"broker_unreachable"}
    assert "my-secret" not in f"{logs}{caplog.text}{broker!r}{vars(broker)}{refusal.value!r}"
