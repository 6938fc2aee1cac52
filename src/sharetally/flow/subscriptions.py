"""Topics and followers: a topic sends its newest state to its followers at its own pace; slow followers catch up.

However many clients follow a topic, each state is encoded only once for each encoding in use. There are no queues: a
topic only has its newest state, and a follower that cannot take it at the moment only remembers which topics it still
has to catch up with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar

import structlog

SLICE = 25  # followers that are updated before other tasks of the event loop get a turn
BURST = 0.002  # seconds of sending before other threads and processes get a turn
T = TypeVar("T")
log = structlog.get_logger("sharetally.live")


class Update:
    """One state of a topic; a newer state has a higher `order`."""

    __slots__ = ("_encoded", "order", "value")

    def __init__(self, order: int, value: Any) -> None:
        self.order = order
        self.value = value
        self._encoded: dict[object, Any] = {}

    def encoded(self, encode: Callable[[Any], T]) -> T:
        """The state as encoded by `encode`, which is called once for each state."""
        found: T | None = self._encoded.get(encode)
        if found is None:
            found = self._encoded[encode] = encode(self.value)
        return found


class Topic:
    """Something that clients can follow.

    `snapshot` returns the whole state; `delta` returns what has changed since the last call of `delta`. Without
    `delta`, every update is the whole state. If the state then changes during a broadcast, the followers whose turn is
    still to come get the new state at once, and the next broadcast brings it to the others.

    The first change is sent at once; after that, a broadcast begins every `interval` seconds at most. Sending takes no
    more than two thirds of the time, however many clients follow: each burst is followed by a pause of half its length,
    in which the event loop sleeps. During the pause Python's lock is free for long enough that a waiting thread wakes
    up and gets it.
    """

    def __init__(
        self, *, interval: float, snapshot: Callable[[], Update], delta: Callable[[], Update] | None = None
    ) -> None:
        self.followers: dict[Follower, None] = {}
        self.snapshot = snapshot
        self._interval = interval
        self._delta = delta
        self._changed = False
        self._began: float | None = None  # when the last broadcast began; None once the next one may begin
        self._pause: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Report that the state has changed."""
        self._changed = True
        if self._began is None:
            self._broadcast()

    def close(self) -> None:
        """Begin no more broadcasts."""
        if self._pause is not None:
            self._pause.cancel()

    def _broadcast(self) -> None:
        self._changed = False
        self._began = asyncio.get_running_loop().time()
        self._send_to_next((self._delta or self.snapshot)(), iter(tuple(self.followers)), 0.0)

    def _send_to_next(self, update: Update, rest: Iterator[Follower], spent: float) -> None:
        """Update the next few followers; `spent` is the time in seconds spent on sending since the last pause."""
        began = perf_counter()
        if self._changed and self._delta is None:
            update = self.snapshot()
        sent = 0
        for follower in islice(rest, SLICE):
            follower.receive(self, update)
            sent += 1
        spent += perf_counter() - began
        loop = asyncio.get_running_loop()
        if sent < SLICE:
            if self._began is not None:
                due_in = self._began + self._interval - loop.time()
                self._pause = loop.call_later(max(due_in, spent / 2), self._allow_next)
        elif spent < BURST:
            loop.call_soon(self._send_to_next, update, rest, spent)
        else:
            self._pause = loop.call_later(spent / 2, self._send_to_next, update, rest, 0.0)

    def _allow_next(self) -> None:
        self._began = None
        if self._changed:
            self._broadcast()


class Follower:
    """One client.

    `put` writes an encoded state without waiting, and returns False if it cannot; `send` waits until it is written.
    A send that takes longer than `send_timeout` is the last one: `on_too_slow` is called once. The same happens when a
    send fails, except with an `OSError`, which means that the client has gone. No failure here affects other followers.
    """

    __slots__ = (
        "_behind",
        "_catching_up",
        "_encode",
        "_on_too_slow",
        "_put",
        "_send",
        "_send_timeout",
        "on_leave",
        "topics",
    )

    def __init__(
        self,
        *,
        encode: Callable[[Any], T],
        put: Callable[[T], bool],
        send: Callable[[Update], Awaitable[None]],
        on_too_slow: Callable[[], None],
        on_leave: Callable[[], None],
        send_timeout: float,
    ) -> None:
        self._encode: Callable[[Any], Any] = encode
        self._put: Callable[[Any], bool] = put
        self._send = send
        self._on_too_slow = on_too_slow
        self._send_timeout = send_timeout
        self._behind: dict[Topic, None] = {}
        self._catching_up: asyncio.Task[None] | None = None
        self.on_leave = on_leave  # asks the client to reconnect to another process
        self.topics: dict[Topic, int] = {}  # the order of the last state that the client got

    def subscribe(self, topic: Topic, known: int = -1) -> None:
        """Follow the topic and get its whole state at once, unless its order is `known`, which the client has."""
        snapshot = topic.snapshot()
        self.topics[topic] = known if known == snapshot.order else -1
        topic.followers[self] = None
        self.receive(topic, snapshot)

    def unsubscribe(self, topic: Topic) -> None:
        """Stop following the topic; a repeated call changes nothing."""
        self.topics.pop(topic, None)
        self._behind.pop(topic, None)
        topic.followers.pop(self, None)

    def receive(self, topic: Topic, update: Update) -> None:
        """Send the update, unless the client already has a state that is at least as new."""
        known = self.topics.get(topic)
        if known is None or update.order <= known:
            return
        if self._catching_up is not None:
            self._behind[topic] = None
        elif self._try_put(update):
            self.topics[topic] = update.order
        else:
            self._behind[topic] = None
            self._catching_up = asyncio.create_task(self._catch_up())

    def _try_put(self, update: Update) -> bool:
        try:
            return self._put(update.encoded(self._encode))
        except Exception:
            log.exception("live_client_failed")
            return False  # `send` may still succeed

    async def close(self) -> None:
        """Stop following all topics."""
        for topic in tuple(self.topics):
            self.unsubscribe(topic)
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait({self._catching_up})

    async def _catch_up(self) -> None:
        """Send the topics that are behind, one after another, each with its state at that moment."""
        try:
            while self._behind:
                topic = next(iter(self._behind))
                del self._behind[topic]
                snapshot, known = topic.snapshot(), self.topics.get(topic)
                if known is None or snapshot.order <= known:
                    continue
                async with asyncio.timeout(self._send_timeout):
                    await self._send(snapshot)
                if topic in self.topics:  # the client may have subscribed again with a newer state
                    self.topics[topic] = max(self.topics[topic], snapshot.order)
        except TimeoutError:
            self._on_too_slow()
            return None  # `_catching_up` stays set, so nothing more is written
        except OSError:
            return None  # the client has gone, which its reader notices by itself
        except Exception:
            log.exception("live_client_failed")
            return self._on_too_slow()
        self._catching_up = None
