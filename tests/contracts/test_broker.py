"""The contract of a broker, tested on every broker.

What only RabbitMQ can do or suffer is in `test_broker_amqp.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Broker, Delivery, Message, Queue, QueueState, Subscription

pytestmark = pytest.mark.anyio

QUEUES = (
    Queue(name="count", jobs=("share_created", "share_deleted")),
    Queue(name="post", jobs=("share_post", "share_deleted")),
)
TIMEOUT = 20.0  # seconds; only a broken broker takes so long


@pytest.fixture(params=["memory", "amqp"])
def closed_broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "memory":
        return MemoryBroker()
    return AmqpBroker(request.getfixturevalue("amqp_url"), feed=True)


@pytest.fixture
async def broker(closed_broker: Broker) -> AsyncIterator[Broker]:
    await closed_broker.open(QUEUES)
    yield closed_broker
    await closed_broker.close()


def created_messages(*bodies: str) -> list[Message]:
    return [Message(job="share_created", body=body.encode()) for body in bodies]


async def take(subscription: Subscription, number: int) -> list[Delivery]:
    """Receive exactly so many deliveries."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(TIMEOUT):
        while len(deliveries) < number:
            deliveries += await subscription.next(number - len(deliveries))
    return deliveries


def bodies_of(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(TIMEOUT):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def drains_to(broker: Broker, queue: str, wanted: QueueState) -> None:
    """Wait until the broker's estimate has caught up."""

    async def settled() -> bool:
        return await broker.state(queue) == wanted

    await wait_until(settled)


async def test_messages_arrive_in_the_order_of_publishing(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b"))
    await broker.publish(created_messages("c"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        deliveries = await take(subscription, 3)
    assert bodies_of(deliveries) == ["a", "b", "c"]
    assert [delivery.job for delivery in deliveries] == ["share_created"] * 3
    assert [delivery.redelivered for delivery in deliveries] == [False] * 3
    assert sorted({delivery.tag for delivery in deliveries}) == [delivery.tag for delivery in deliveries]


async def test_a_queue_takes_its_own_jobs_and_markers(broker: Broker) -> None:
    await broker.publish(
        [
            Message(job="share_post", body=b"post"),
            Message(job="mark.count", body=b"marker"),
            Message(job="share_created", body=b"created"),
        ]
    )
    async with broker.subscribe("count", prefetch=10) as subscription:
        deliveries = await take(subscription, 2)
    assert [(delivery.job, delivery.body) for delivery in deliveries] == [
        ("mark.count", b"marker"),
        ("share_created", b"created"),
    ]


async def test_headers_travel_with_their_message(broker: Broker) -> None:
    headers = (("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("other", "é"))
    await broker.publish([Message(job="share_created", body=b"headed", headers=headers), *created_messages("plain")])
    for _ in range(2):  # redelivered messages have them too
        async with broker.subscribe("count", prefetch=10) as subscription:
            headed, plain = await take(subscription, 2)
        assert sorted(headed.headers) == sorted(headers)
        assert plain.headers == ()


async def test_a_job_of_two_queues_reaches_both(broker: Broker) -> None:
    await broker.publish([Message(job="share_deleted", body=b"both")])
    for queue in ("count", "post"):
        async with broker.subscribe(queue, prefetch=1) as subscription:
            assert bodies_of(await take(subscription, 1)) == ["both"]


async def test_an_unroutable_message_is_a_failure(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable):
        await broker.publish([Message(job="share_unheard_of", body=b"")])
    with pytest.raises(BrokerUnavailable):
        await broker.publish([*created_messages("fine"), Message(job="mark.nowhere", body=b"")])
    await broker.publish(created_messages("still works"))


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_072, 400_000])
async def test_bodies_of_any_size_arrive_whole(broker: Broker, size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    await broker.publish([Message(job="share_created", body=body), *created_messages("next")])
    async with broker.subscribe("count", prefetch=10) as subscription:
        first, second = await take(subscription, 2)
    assert first.body == body
    assert second.body == b"next"


async def test_next_waits_for_the_first(broker: Broker) -> None:
    async with broker.subscribe("count", prefetch=10) as subscription:
        waiting = asyncio.create_task(subscription.next(10))
        await broker.publish(created_messages("at last"))
        async with asyncio.timeout(TIMEOUT):
            assert bodies_of(await waiting) == ["at last"]


async def test_next_returns_at_most_the_requested_number(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b", "c"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        await drains_to(broker, "count", QueueState(depth=3 if broker.volatile else 0, consumers=1))
        assert 1 <= len(await subscription.next(2)) <= 2


async def test_a_cancelled_next_loses_nothing(broker: Broker) -> None:
    async with broker.subscribe("count", prefetch=10) as subscription:
        waiting = asyncio.create_task(subscription.next(10))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await broker.publish(created_messages("a", "b"))
        assert bodies_of(await take(subscription, 2)) == ["a", "b"]


async def test_unacknowledged_messages_are_redelivered_first_and_in_order(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b", "c", "d"))
    async with broker.subscribe("count", prefetch=3) as subscription:
        first, *_ = await take(subscription, 3)
        await subscription.ack(first)
    async with broker.subscribe("count", prefetch=10) as subscription:
        deliveries = await take(subscription, 3)
    assert bodies_of(deliveries) == ["b", "c", "d"]
    assert [delivery.redelivered for delivery in deliveries[:2]] == [True, True]


async def test_a_failed_consumer_returns_its_messages(broker: Broker) -> None:
    await broker.publish(created_messages("a"))

    async def failing() -> None:
        async with broker.subscribe("count", prefetch=1) as subscription:
            await take(subscription, 1)
            raise LookupError

    with pytest.raises(LookupError):
        await failing()
    async with broker.subscribe("count", prefetch=1) as subscription:
        assert [delivery.redelivered for delivery in await take(subscription, 1)] == [True]


async def test_a_message_can_be_redelivered_any_number_of_times(broker: Broker) -> None:
    await broker.publish(created_messages("patient"))
    for _ in range(25):
        async with broker.subscribe("count", prefetch=1) as subscription:
            assert bodies_of(await take(subscription, 1)) == ["patient"]


async def test_an_acknowledgement_covers_all_before_it(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b", "c"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        await subscription.ack((await take(subscription, 3))[-1])
    await broker.publish(created_messages("d"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        assert bodies_of(await take(subscription, 1)) == ["d"]


async def test_acknowledging_twice_changes_nothing(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        first, second = await take(subscription, 2)
        for delivery in (second, second, first):
            await subscription.ack(delivery)
        await broker.publish(created_messages("c"))
        assert bodies_of(await take(subscription, 1)) == ["c"]


async def test_no_more_than_prefetch_are_unacknowledged(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b", "c", "d", "e"))
    async with broker.subscribe("count", prefetch=2) as subscription:
        held = await subscription.next(10)
        await drains_to(broker, "count", QueueState(depth=3, consumers=1))
        held += await take(subscription, 2 - len(held))
        waiting = asyncio.create_task(subscription.next(10))
        await asyncio.sleep(0)
        assert not waiting.done()
        await subscription.ack(held[-1])
        async with asyncio.timeout(TIMEOUT):
            assert bodies_of(await waiting)[0] == "c"


async def test_two_consumers_share_a_queue(broker: Broker) -> None:
    async with (
        broker.subscribe("count", prefetch=1) as one,
        broker.subscribe("count", prefetch=1) as other,
    ):
        await broker.publish(created_messages("a", "b"))
        deliveries = [*await take(one, 1), *await take(other, 1)]
    assert sorted(bodies_of(deliveries)) == ["a", "b"]


async def test_state_contains_depth_and_consumers(broker: Broker) -> None:
    await broker.publish(created_messages("a", "b", "c"))
    await drains_to(broker, "count", QueueState(depth=3, consumers=0))
    async with broker.subscribe("count", prefetch=1) as subscription:
        await take(subscription, 1)
        await drains_to(broker, "count", QueueState(depth=2, consumers=1))
    await drains_to(broker, "count", QueueState(depth=3, consumers=0))
    assert await broker.state("unheard_of") is None


async def test_a_rejected_message_still_has_to_be_acknowledged(broker: Broker) -> None:
    await broker.publish(created_messages("no job", "a job"))
    async with broker.subscribe("count", prefetch=10) as subscription:
        first, _ = await take(subscription, 2)
        await subscription.reject(first, "not JSON")
    async with broker.subscribe("count", prefetch=10) as subscription:
        assert bodies_of(await take(subscription, 2)) == ["no job", "a job"]


async def test_there_is_nothing_to_consume_from_an_unknown_queue(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable):
        async with broker.subscribe("unheard_of", prefetch=1):
            pass


async def test_many_publish_at_once(broker: Broker) -> None:
    async with asyncio.TaskGroup() as group:
        for task in range(20):
            group.create_task(broker.publish(created_messages(*(f"{task}/{message}" for message in range(10)))))
    async with broker.subscribe("count", prefetch=500) as subscription:
        arrived = bodies_of(await take(subscription, 200))
    assert sorted(arrived) == sorted(f"{task}/{message}" for task in range(20) for message in range(10))
    for task in range(20):
        own = [body for body in arrived if body.startswith(f"{task}/")]
        assert own == [f"{task}/{message}" for message in range(10)]


async def test_closing_the_broker_ends_waiting_consumers(broker: Broker) -> None:
    async with broker.subscribe("count", prefetch=1) as subscription:
        waiting = asyncio.create_task(subscription.next(1))
        await asyncio.sleep(0)
        await broker.close()
        async with asyncio.timeout(TIMEOUT):
            with pytest.raises(BrokerUnavailable):
                await waiting


async def test_a_closed_broker_refuses_every_call(closed_broker: Broker) -> None:
    await carries_nothing(closed_broker)
    await closed_broker.open(QUEUES)
    assert closed_broker.connected
    await closed_broker.close()
    await closed_broker.close()
    await carries_nothing(closed_broker)


async def carries_nothing(broker: Broker) -> None:
    assert not broker.connected
    with pytest.raises(BrokerUnavailable):
        await broker.publish(created_messages("lost"))
    with pytest.raises(BrokerUnavailable):
        async with broker.subscribe("count", prefetch=1):
            pass


async def test_a_broker_can_be_opened_again(broker: Broker) -> None:
    await broker.close()
    await broker.open(QUEUES)
    await broker.publish(created_messages("again"))
    async with broker.subscribe("count", prefetch=1) as subscription:
        assert bodies_of(await take(subscription, 1)) == ["again"]


async def test_memory_refuses_messages_beyond_its_capacity() -> None:
    broker = MemoryBroker(capacity_messages=3)
    await broker.open(QUEUES)
    await broker.publish(created_messages("a", "b"))
    with pytest.raises(BrokerUnavailable):
        await broker.publish(created_messages("c", "d"))
    assert await broker.state("count") == QueueState(depth=2, consumers=0)
    await broker.publish([Message(job="share_post", body=b"another queue")])
    async with broker.subscribe("count", prefetch=2) as subscription:
        deliveries = await subscription.next(2)
        with pytest.raises(BrokerUnavailable):
            await broker.publish(created_messages("c", "d"))
        await subscription.ack(deliveries[-1])
        await broker.publish(created_messages("c", "d", "e"))


async def test_memory_joins_when_everything_is_acknowledged() -> None:
    broker = MemoryBroker()
    await broker.open(QUEUES)
    await broker.publish(created_messages("a"))
    async with broker.subscribe("count", prefetch=1) as subscription:
        (delivery,) = await subscription.next(1)
        joining = asyncio.create_task(broker.join())
        await asyncio.sleep(0)
        assert not joining.done()
        await subscription.ack(delivery)
        async with asyncio.timeout(TIMEOUT):
            await joining


async def test_memory_shows_rejected_messages_and_has_no_feed() -> None:
    broker = MemoryBroker()
    await broker.open(QUEUES)
    await broker.publish(created_messages("no job"))
    async with broker.subscribe("count", prefetch=1) as subscription:
        (delivery,) = await subscription.next(1)
        await subscription.reject(delivery, "not JSON")
    assert [
        (rejected_message.queue, rejected_message.message.body, rejected_message.reason)
        for rejected_message in broker.rejected
    ] == [("count", b"no job", "not JSON")]
    with pytest.raises(BrokerUnavailable):
        await broker.publish_feed([])
