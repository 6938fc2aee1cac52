"""Whatever clients do while a state moves: who still follows ends at the newest, and no order ever falls."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from sharetally.flow.subscriptions import SLICE, Follower, Topic, Update

pytestmark = pytest.mark.anyio
TIMEOUT = 20.0  # seconds; only what is broken takes so long
CLIENTS = 3 * SLICE
TOPICS = 4
STEPS = 300


@dataclass
class State:
    """Numbers that only grow by one, sent as a whole or as what has changed since the last time."""

    name: int
    piecemeal: bool
    order: int = 0
    news: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        change = self._change if self.piecemeal else None
        self.topic = Topic(interval=0.003, snapshot=self._whole, delta=change)

    def grow(self) -> None:
        self.order += 1
        self.news.append(self.order)
        self.topic.changed()

    def _whole(self) -> Update:
        return Update(self.order, (self.name, list(range(1, self.order + 1))))

    def _change(self) -> Update:
        news, self.news = self.news, []
        return Update(self.order, (self.name, news))


@dataclass
class Client:
    """A client that takes, refuses, waits, fails or leaves as `chance` decides, and assembles what it receives."""

    chance: random.Random
    states: list[State]
    broken: bool = False
    given_up: int = 0
    following: set[int] = field(default_factory=set)
    known: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.follower = Follower(
            encode=lambda value: value,
            put=self._put,
            send=self._send,
            on_too_slow=self._slow,
            on_leave=lambda: None,
            send_timeout=5.0,
        )

    def join(self, name: int) -> None:
        if name not in self.following:
            self.following.add(name)
            self.known[name] = set()
            self.follower.subscribe(self.states[name].topic)

    def part(self, name: int) -> None:
        self.following.discard(name)
        self.follower.unsubscribe(self.states[name].topic)

    def is_up_to_date(self) -> bool:
        """Of everything that it follows it knows each number."""
        return self.broken or all(self.known[name] == _all(self.states[name]) for name in self.following)

    def _put(self, value: tuple[int, list[int]]) -> bool:
        what = self.chance.random()
        if what < 0.0005:
            raise RuntimeError("in a strange state")
        if what < 0.2:
            return False
        assert value[0] in self.following, "told of what it does not follow"
        self._learn(*value)
        return True

    async def _send(self, update: Update) -> None:
        await asyncio.sleep(self.chance.choice((0, 0, 0.001, 0.01)))
        if self.chance.random() < 0.002:
            self.broken = True
            raise self.chance.choice((OSError("gone"), RuntimeError("in a strange state")))
        self._learn(*update.value)

    def _learn(self, name: int, numbers: list[int]) -> None:
        assert not self.broken, "told after its end"
        if name in self.following:
            highest = max(self.known[name], default=0)
            assert not numbers or max(numbers) >= highest, "an order fell"
            self.known[name] |= set(numbers)

    def _slow(self) -> None:
        self.given_up += 1


def _all(state: State) -> set[int]:
    return set(range(1, state.order + 1))


@pytest.mark.parametrize("seed", range(4))
async def test_every_subscriber_ends_at_the_newest_state(seed: int) -> None:
    chance = random.Random(seed)
    states = [State(name, piecemeal=name % 2 == 1) for name in range(TOPICS)]
    clients = [Client(random.Random(seed * 1000 + number), states) for number in range(CLIENTS)]
    for client in clients:
        client.join(chance.randrange(TOPICS))
    for _ in range(STEPS):
        for _ in range(chance.choice((0, 1, 1, 3))):
            chance.choice(states).grow()
        client, name = chance.choice(clients), chance.randrange(TOPICS)
        match chance.choice(("join", "join", "part", "both", "close")):
            case "join":
                client.join(name)
            case "part":
                client.part(name)
            case "both":
                client.part(name)
                client.join(name)
            case "close" if chance.random() < 0.1:
                client.following.clear()
                await client.follower.close()
                clients.remove(client)
        await asyncio.sleep(chance.choice((0, 0, 0.001)))
    for state in states:
        state.grow()
    async with asyncio.timeout(TIMEOUT):
        while not all(client.is_up_to_date() for client in clients):  # noqa: ASYNC110, they tell nobody
            await asyncio.sleep(0.005)
    for state in states:
        state.topic.close()
    for client in clients:
        assert client.given_up <= 1
        await client.follower.close()
    assert any(client.broken for client in clients), "or it tries too little"
    assert all(state.order > STEPS / TOPICS / 2 for state in states)
