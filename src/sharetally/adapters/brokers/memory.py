"""The broker inside one process: the embedded default, and what tests of the flow run on.

It stands where RabbitMQ stands: `flow/publisher.py` and `flow/relay.py` put messages in, `flow/worker.py`
takes them out. What it guarantees is the same: order within a queue, at least once, what a consumer leaves
unacknowledged comes again, first in line. It is bounded: a full queue refuses, as a broker without memory
does, and the relay sends again. What it holds dies with the process; the event rows do not.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sharetally.domain.errors import BrokerUnavailable
from sharetally.ports import Broker, Delivery, FeedMessage, Message, Queue, QueueState, Subscription

_KEPT_BURIED = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Buried:
    """A message that held no job, the queue it came from, and why it was set aside."""

    queue: str
    message: Message
    reason: str


class MemoryBroker(Broker):
    """Queues of this process; each holds `capacity_messages`, those in a consumer's hands included."""

    def __init__(self, *, capacity_messages: int = 10_000) -> None:
        self._capacity = capacity_messages
        self._lines: dict[str, _Line] = {}
        self._routes: dict[str, list[_Line]] = {}
        self._buried: deque[Buried] = deque(maxlen=_KEPT_BURIED)
        self._open = False
        self._stir = _Stir()

    @property
    def volatile(self) -> bool:
        """Always: the queues are this process's memory."""
        return True

    @property
    def connected(self) -> bool:
        """Whether it is open."""
        return self._open

    @property
    def buried(self) -> Sequence[Buried]:
        """The newest messages that were set aside, oldest first, 1,000 at most."""
        return tuple(self._buried)

    async def open(self, queues: Sequence[Queue]) -> None:
        """Make the queues; those that are there keep their messages."""
        for queue in queues:
            self._lines.setdefault(queue.name, _Line())
        self._routes = self._routed(queues)
        self._open = True

    async def close(self) -> None:
        """Leave; whoever waits for a delivery is told. Repeating is fine."""
        self._open = False
        self._stir.now()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put all messages in line, or none: `BrokerUnavailable` if one has no queue or no room."""
        self._check_open()
        targets = [self._targets(message) for message in messages]
        self._check_room(Counter(line for lines in targets for line in lines))
        for message, lines in zip(messages, targets, strict=True):
            for line in lines:
                line.waiting.append(_Waiting(message=message))
        self._stir.now()

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Nobody outside can listen: always `BrokerUnavailable`."""
        raise BrokerUnavailable("the memory broker has no outside feed")

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume one queue; what is left unacknowledged goes back to the front of it."""
        self._check_open()
        if (line := self._lines.get(queue)) is None:
            raise BrokerUnavailable(f"there is no queue {queue}")
        consumer = _Consumer(self, queue, line, prefetch)
        line.consumers += 1
        try:
            yield consumer
        finally:
            line.consumers -= 1
            consumer.give_back()
            self._stir.now()

    async def state(self, queue: str) -> QueueState | None:
        """Depth and consumers; None for a queue that was never declared."""
        line = self._lines.get(queue)
        return QueueState(depth=len(line.waiting), consumers=line.consumers) if line else None

    async def join(self) -> None:
        """Wait until every queue is empty and nothing is unacknowledged."""
        await self._stir.until(lambda: all(line.held == 0 for line in self._lines.values()))

    async def stirred(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that publishing, acknowledging or leaving may bring about, or for the end."""
        await self._stir.until(lambda: condition() or not self._open)
        self._check_open()

    def stir(self) -> None:
        """Let everybody who waits look again."""
        self._stir.now()

    def bury(self, buried: Buried) -> None:
        """Keep it for whoever asks; the oldest makes room."""
        self._buried.append(buried)

    def _routed(self, queues: Sequence[Queue]) -> dict[str, list[_Line]]:
        routes: dict[str, list[_Line]] = {}
        for queue in queues:
            for key in (*queue.jobs, f"mark.{queue.name}"):
                routes.setdefault(key, []).append(self._lines[queue.name])
        return routes

    def _targets(self, message: Message) -> list[_Line]:
        if lines := self._routes.get(message.job):
            return lines
        raise BrokerUnavailable(f"no queue takes {message.job}")

    def _check_open(self) -> None:
        if not self._open:
            raise BrokerUnavailable("the memory broker is closed")

    def _check_room(self, wanted: Counter[_Line]) -> None:
        if any(line.held + messages > self._capacity for line, messages in wanted.items()):
            raise BrokerUnavailable("a queue is full")


class _Consumer(Subscription):
    """One consumer's hands: what it took and has not acknowledged, in the order of its tags."""

    def __init__(self, broker: MemoryBroker, queue: str, line: _Line, prefetch: int) -> None:
        self._broker = broker
        self._queue = queue
        self._line = line
        self._prefetch = prefetch
        self._in_hand: deque[tuple[int, _Waiting]] = deque()
        self._last_tag = 0

    async def next(self, at_most: int) -> list[Delivery]:
        """Wait for one delivery, then return it with all that is already here, `at_most`."""
        await self._broker.stirred(lambda: self._ready(at_most) > 0)
        return [self._take() for _ in range(self._ready(at_most))]

    async def ack(self, last: Delivery) -> None:
        """Forget this delivery and every one before it; repeating changes nothing."""
        while self._in_hand and self._in_hand[0][0] <= last.tag:
            self._in_hand.popleft()
            self._line.unacked -= 1
        self._broker.stir()

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Copy a message that holds no job aside; it still has to be acknowledged."""
        message = Message(job=delivery.job, body=delivery.body, headers=delivery.headers)
        self._broker.bury(Buried(queue=self._queue, message=message, reason=reason))

    def give_back(self) -> None:
        """Put what is in hand back in line, before all others and in its order."""
        self._line.unacked -= len(self._in_hand)
        while self._in_hand:
            _, taken = self._in_hand.pop()
            self._line.waiting.appendleft(_Waiting(message=taken.message, redelivered=True))

    def _ready(self, at_most: int) -> int:
        return min(at_most, len(self._line.waiting), self._prefetch - len(self._in_hand))

    def _take(self) -> Delivery:
        taken = self._line.waiting.popleft()
        self._last_tag += 1
        self._in_hand.append((self._last_tag, taken))
        self._line.unacked += 1
        message = taken.message
        return Delivery(
            tag=self._last_tag,
            job=message.job,
            body=message.body,
            redelivered=taken.redelivered,
            headers=message.headers,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """A message in line, and whether a consumer had it before."""

    message: Message
    redelivered: bool = False


class _Line:
    """One queue. `MemoryBroker.publish` keeps `held` within the capacity."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.unacked = 0
        self.consumers = 0

    @property
    def held(self) -> int:
        return len(self.waiting) + self.unacked


class _Stir:
    """Wakes all who wait on a condition, each time something changed that could bring it about."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def now(self) -> None:
        self._event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        # No await stands between the look and the wait: no change can slip in between.
        while not condition():
            self._event.clear()
            await self._event.wait()
