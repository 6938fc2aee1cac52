"""Followers get the newest state at a limited pace; slow ones catch up, and nobody gets an older state."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from sharetally.flow.subscriptions import SLICE, Follower, Topic, Update

pytestmark = pytest.mark.anyio
TIMEOUT = 10.0  # seconds; only what is broken takes so long


@dataclass
class State:
    """A number that is followed."""

    number: int = 0
    told: list[int] = field(default_factory=list)

    def topic(self, interval: float) -> Topic:
        return Topic(interval=interval, snapshot=self.update)

    def update(self) -> Update:
        return Update(self.number, self.number)


@dataclass
class Client:
    """Accepts what it is sent, at once or when it is allowed to."""

    quick: bool = True
    breaks: bool = False
    takes: float = 0.0  # seconds
    patience: float = TIMEOUT
    heard: list[int] = field(default_factory=list)
    began: list[float] = field(default_factory=list)  # to take each of them
    may: asyncio.Event = field(default_factory=asyncio.Event)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: int = 0

    def __post_init__(self) -> None:
        self.follower = Follower(
            encode=abs,
            put=self._put,
            send=self._send,
            on_too_slow=self._slow,
            on_leave=lambda: None,
            send_timeout=self.patience,
        )

    def _put(self, number: int) -> bool:
        if self.breaks:
            raise RuntimeError("in a strange state")
        if self.quick:
            self.began.append(time.monotonic())
            time.sleep(self.takes)
            self._hear(number)
        return self.quick

    async def _send(self, update: Update) -> None:
        if self.breaks:
            raise RuntimeError("in a strange state")
        await self.may.wait()
        self._hear(update.value)

    def _hear(self, number: int) -> None:
        self.heard.append(number)
        self.stirred.set()

    def _slow(self) -> None:
        self.given_up += 1
        self.stirred.set()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not self.heard or self.heard[-1] != number:
                self.stirred.clear()
                await self.stirred.wait()


async def test_the_first_change_is_sent_immediately_and_later_ones_are_coalesced() -> None:
    state, client = State(), Client()
    topic = state.topic(0.05)
    client.follower.subscribe(topic)
    for state.number in range(1, 101):
        topic.changed()
    assert client.heard == [0, 1]
    await client.until(100)
    assert client.heard == [0, 1, 100]


async def test_many_subscribers_are_updated_in_slices() -> None:
    state = State()
    topic = state.topic(0.0)
    clients = [Client() for _ in range(2 * SLICE + 1)]
    for client in clients:
        client.follower.subscribe(topic)
    state.number = 1
    topic.changed()
    assert sum(client.heard == [0, 1] for client in clients) == SLICE
    state.number = 2
    topic.changed()
    for client in clients:
        await client.until(2)
        assert client.heard in ([0, 1, 2], [0, 2])


async def test_a_change_during_a_round_reaches_the_remaining_subscribers() -> None:
    state = State()
    topic = state.topic(TIMEOUT)  # the next word is far away
    clients = [Client() for _ in range(2 * SLICE)]
    for client in clients:
        client.follower.subscribe(topic)
    for state.number in (1, 2):
        topic.changed()
    await clients[-1].until(2)
    assert [client.heard for client in clients] == [[0, 1]] * SLICE + [[0, 2]] * SLICE
    topic.close()


async def test_sending_leaves_a_third_of_the_time_to_other_tasks() -> None:
    state, clients = State(), [Client(takes=0.002) for _ in range(2 * SLICE - 1)]
    topic = state.topic(0.0)
    for client in clients:
        client.follower.subscribe(topic, 0)
    for state.number in (1, 2):
        topic.changed()
        await clients[-1].until(state.number)
    first, second = clients[0].began, clients[SLICE].began
    assert second[0] - first[0] >= 1.5 * 0.002 * SLICE, "between two bursts of one word"
    assert first[1] - second[0] >= 1.5 * 0.002 * (SLICE - 1), "between two words"
    topic.close()


async def test_a_slow_subscriber_gets_only_the_newest_state() -> None:
    state, slow, quick = State(), Client(quick=False), Client()
    topic = state.topic(0.0)
    for client in (slow, quick):
        client.follower.subscribe(topic)
    for state.number in range(1, 6):
        topic.changed()
        await quick.until(state.number)
    slow.may.set()
    await slow.until(5)
    assert slow.heard[-1] == 5
    assert len(slow.heard) <= 2  # the one that was on its way, and the newest
    assert quick.heard == [0, 1, 2, 3, 4, 5]
    await slow.follower.close()


async def test_a_stuck_subscriber_is_dropped_once() -> None:
    state, client = State(), Client(quick=False, patience=0.01)
    topic = state.topic(0.0)
    client.follower.subscribe(topic)
    async with asyncio.timeout(TIMEOUT):
        await client.stirred.wait()
    for state.number in (1, 2):
        topic.changed()
        await asyncio.sleep(0)
    assert (client.given_up, client.heard) == (1, [])
    await client.follower.close()


async def test_a_failing_subscriber_does_not_affect_others() -> None:
    state, broken, others = State(), Client(), [Client(), Client()]
    topic = state.topic(0.0)
    for client in (others[0], broken, others[1]):
        client.follower.subscribe(topic, 0)
    broken.breaks = True
    for state.number in (1, 2):
        topic.changed()
        for client in others:
            await client.until(state.number)
    async with asyncio.timeout(TIMEOUT):
        await broken.stirred.wait()
    assert (broken.given_up, broken.heard) == (1, [])
    await broken.follower.close()
    topic.close()


async def test_an_older_state_is_never_sent() -> None:
    state, client = State(number=5), Client()
    topic = state.topic(0.0)
    client.follower.subscribe(topic)
    client.follower.receive(topic, Update(4, 4))
    client.follower.receive(topic, Update(5, 5))
    assert client.heard == [5]


async def test_known_and_unfollowed_states_are_not_sent() -> None:
    state, client = State(number=5), Client()
    topic = state.topic(0.0)
    client.follower.subscribe(topic, known=5)
    assert client.heard == []
    client.follower.subscribe(topic, known=7)  # before a restore, perhaps
    assert client.heard == [5]
    client.follower.unsubscribe(topic)
    client.follower.unsubscribe(topic)
    state.number = 6
    topic.changed()
    assert client.heard == [5]


def test_an_update_is_encoded_once() -> None:
    made = []

    def form(value: int) -> str:
        made.append(value)
        return str(value)

    update = Update(1, 42)
    assert [update.encoded(form), update.encoded(form)] == ["42", "42"]
    assert made == [42]
