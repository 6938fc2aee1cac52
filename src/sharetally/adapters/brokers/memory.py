"""The broker inside one process: the embedded default, and the broker that tests of the flow run on.

It takes the place of RabbitMQ: `flow/publisher.py` and `flow/relay.py` put messages in, `flow/worker.py` takes them
out. It guarantees the same: order within a queue, and delivery at least once. What a consumer leaves unacknowledged
is delivered again, before all others. The queues are bounded: a full queue refuses, and the relay sends again later.
The messages die with the process; the rows of the events do not.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Broker, Delivery, FeedMessage, Message, Queue, QueueState, Subscription

_MAX_REJECTED = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedMessage:
    """A message that held no job, the queue it came from, and why it was set aside."""

    queue: str
    message: Message
    reason: str


class MemoryBroker(Broker):
    """Queues of this process; each holds `capacity_messages`, unacknowledged ones included."""

    def __init__(self, *, capacity_messages: int = 10_000) -> None:
        self._capacity_messages = capacity_messages
        self._queues: dict[str, _MemoryQueue] = {}
        self._routes: dict[str, list[_MemoryQueue]] = {}
        self._rejected: deque[RejectedMessage] = deque(maxlen=_MAX_REJECTED)
        self._open = False

    @property
    def volatile(self) -> bool:
        """Always: the queues are this process's memory."""
        return True

    @property
    def connected(self) -> bool:
        """Whether it is open."""
        return self._open

    @property
    def rejected(self) -> Sequence[RejectedMessage]:
        """The newest messages that were set aside, oldest first, 1,000 at most."""
        return tuple(self._rejected)

    async def open(self, queues: Sequence[Queue]) -> None:
        """Make the queues; those that are there keep their messages."""
        for queue in queues:
            self._queues.setdefault(queue.name, _MemoryQueue())
        self._routes = {}
        for queue in queues:
            for key in (*queue.jobs, f"mark.{queue.name}"):
                self._routes.setdefault(key, []).append(self._queues[queue.name])
        self._open = True

    async def close(self) -> None:
        """Close; whoever waits for a delivery gets `BrokerUnavailable`. Repeating is fine."""
        self._open = False
        for memory_queue in self._queues.values():
            memory_queue.notify()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Queue all messages, or none: `BrokerUnavailable` if one has no queue or no room."""
        self._check_open()
        additions: Counter[_MemoryQueue] = Counter()
        for message in messages:
            if message.job not in self._routes:
                raise BrokerUnavailable(f"no queue takes {message.job}")
            additions.update(self._routes[message.job])
        if any(memory_queue.size + number > self._capacity_messages for memory_queue, number in additions.items()):
            raise BrokerUnavailable("a queue is full")
        for message in messages:
            for memory_queue in self._routes[message.job]:
                memory_queue.ready.append(_QueuedMessage(message=message))
        for memory_queue in additions:
            memory_queue.notify()

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """No other service can listen: always `BrokerUnavailable`."""
        raise BrokerUnavailable("the memory broker has no feed")

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume one queue; what is left unacknowledged goes back to the front of it."""
        self._check_open()
        if (memory_queue := self._queues.get(queue)) is None:
            raise BrokerUnavailable(f"there is no queue {queue}")
        consumer = _Consumer(self, queue, memory_queue, prefetch)
        memory_queue.consumers += 1
        try:
            yield consumer
        finally:
            memory_queue.consumers -= 1
            consumer.requeue()
            memory_queue.notify()

    async def state(self, queue: str) -> QueueState | None:
        """Depth and consumers; None for a queue that was never declared."""
        memory_queue = self._queues.get(queue)
        return QueueState(depth=len(memory_queue.ready), consumers=memory_queue.consumers) if memory_queue else None

    async def join(self) -> None:
        """Wait until every queue is empty and nothing is unacknowledged."""
        while busy := [memory_queue for memory_queue in self._queues.values() if memory_queue.size > 0]:
            await busy[0].wait_until(lambda: busy[0].size == 0)

    async def wait_until(self, memory_queue: _MemoryQueue, condition: Callable[[], bool]) -> None:
        """Wait for a condition that a change of this queue may fulfil; `BrokerUnavailable` once the broker closes."""
        await memory_queue.wait_until(lambda: condition() or not self._open)
        self._check_open()

    def add_rejected(self, rejected: RejectedMessage) -> None:
        """Keep it in `rejected`; the oldest makes room."""
        self._rejected.append(rejected)

    def _check_open(self) -> None:
        if not self._open:
            raise BrokerUnavailable("the memory broker is closed")


class _Consumer(Subscription):
    """One consumer: what it took and has not acknowledged, in the order of its tags."""

    def __init__(self, broker: MemoryBroker, queue: str, memory_queue: _MemoryQueue, prefetch: int) -> None:
        self._broker = broker
        self._queue = queue
        self._memory_queue = memory_queue
        self._prefetch = prefetch
        self._unacked: deque[tuple[int, _QueuedMessage]] = deque()
        self._last_tag = 0

    async def next(self, at_most: int) -> list[Delivery]:
        """Wait for one delivery, then return it with all that is already here, `at_most`."""
        await self._broker.wait_until(self._memory_queue, lambda: self._available(at_most) > 0)
        deliveries = []
        for _ in range(self._available(at_most)):
            queued = self._memory_queue.ready.popleft()
            self._last_tag += 1
            self._unacked.append((self._last_tag, queued))
            self._memory_queue.unacked += 1
            message = queued.message
            deliveries.append(
                Delivery(
                    tag=self._last_tag,
                    job=message.job,
                    body=message.body,
                    redelivered=queued.redelivered,
                    headers=message.headers,
                    refs=message.refs,
                )
            )
        return deliveries

    async def ack(self, last: Delivery) -> None:
        """Forget this delivery and every one before it; repeating changes nothing."""
        while self._unacked and self._unacked[0][0] <= last.tag:
            self._unacked.popleft()
            self._memory_queue.unacked -= 1
        self._memory_queue.notify()

    async def reject(self, delivery: Delivery, reason: str) -> None:
        """Copy a message that holds no job aside; it still has to be acknowledged."""
        message = Message(job=delivery.job, body=delivery.body, headers=delivery.headers)
        self._broker.add_rejected(RejectedMessage(queue=self._queue, message=message, reason=reason))

    def requeue(self) -> None:
        """Put what was not acknowledged back into the queue, before all others and in its order."""
        self._memory_queue.unacked -= len(self._unacked)
        while self._unacked:
            _, queued = self._unacked.pop()
            self._memory_queue.ready.appendleft(_QueuedMessage(message=queued.message, redelivered=True))

    def _available(self, at_most: int) -> int:
        return min(at_most, len(self._memory_queue.ready), self._prefetch - len(self._unacked))


@dataclass(frozen=True, kw_only=True, slots=True)
class _QueuedMessage:
    """A message in a queue, and whether a consumer had it before."""

    message: Message
    redelivered: bool = False


class _MemoryQueue:
    """One queue, and the signal that wakes whoever waits for a change of it.

    `MemoryBroker.publish` keeps `size` within the capacity.
    """

    def __init__(self) -> None:
        self.ready: deque[_QueuedMessage] = deque()
        self.unacked = 0
        self.consumers = 0
        self._changed = asyncio.Event()

    @property
    def size(self) -> int:
        return len(self.ready) + self.unacked

    def notify(self) -> None:
        """Let everybody who waits check their condition again."""
        self._changed.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        # No await stands between the check and the wait, so no change can go unnoticed.
        while not condition():
            self._changed.clear()
            await self._changed.wait()
