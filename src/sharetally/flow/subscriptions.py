"""Who follows what: a topic tells its followers its newest state, at its own pace; who is slow catches up later.

However many follow, a state is encoded once for each form in which it leaves. Nothing here is a queue: a topic
has a newest state, a follower that cannot take it just now remembers only of which topics it has to catch up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar

import structlog

SLICE = 25  # followers told before others on the event loop have their turn
BURST = 0.002  # seconds of telling before other threads and processes have theirs
T = TypeVar("T")
log = structlog.get_logger("sharetally.live")


class Update:
    """One state; `order` rises with each newer one of its topic."""

    __slots__ = ("_encoded", "order", "value")

    def __init__(self, order: int, value: Any) -> None:
        self.order = order
        self.value = value
        self._encoded: dict[object, Any] = {}

    def encoded(self, encode: Callable[[Any], T]) -> T:
        """The state as `encode` writes it; made once."""
        found: T | None = self._encoded.get(encode)
        if found is None:
            found = self._encoded[encode] = encode(self.value)
        return found


class Topic:
    """What can be followed: `snapshot` is all of its state, `delta` what is new since `delta` was last called.

    Without `delta` all of it is told each time. Then what changes while it is told goes at once to those whose turn
    is still to come, and the next word is for the others.

    The first change is told at once, then there is one word each `interval` seconds at most. Telling takes no more
    than two thirds of the time, however many follow: after each burst of it there is a pause half as long, in which
    the loop sleeps. Python's lock is let go then for long enough that a thread which waits for it wakes up and has it.
    """

    def __init__(
        self, *, interval: float, snapshot: Callable[[], Update], delta: Callable[[], Update] | None = None
    ) -> None:
        self.followers: dict[Follower, None] = {}
        self.snapshot = snapshot
        self._interval = interval
        self._delta = delta
        self._changed = False
        self._began: float | None = None  # when the last word was begun; None once the next may follow
        self._pause: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """There is something new."""
        self._changed = True
        if self._began is None:
            self._broadcast()

    def close(self) -> None:
        """Nothing is told any more."""
        if self._pause is not None:
            self._pause.cancel()

    def _broadcast(self) -> None:
        self._changed = False
        self._began = asyncio.get_running_loop().time()
        self._send_to_next((self._delta or self.snapshot)(), iter(tuple(self.followers)), 0.0)

    def _send_to_next(self, update: Update, rest: Iterator[Follower], spent: float) -> None:
        """Tell the next few; `spent` seconds went into that since the last pause."""
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
            self._schedule_next(loop, spent)
        elif spent < BURST:
            loop.call_soon(self._send_to_next, update, rest, spent)
        else:
            self._pause = loop.call_later(spent / 2, self._send_to_next, update, rest, 0.0)

    def _schedule_next(self, loop: asyncio.AbstractEventLoop, spent: float) -> None:
        if self._began is not None:
            due = self._began + self._interval - loop.time()
            self._pause = loop.call_later(max(due, spent / 2), self._start_next)

    def _start_next(self) -> None:
        self._began = None
        if self._changed:
            self._broadcast()


class Follower:
    """One client. `put` writes what `encode` makes of a state, without waiting, or says that it cannot; `send` waits.

    A send that takes longer than `send_timeout` is the last: then `on_too_slow` is called, once. So is one that breaks,
    but for an `OSError`: then the client is gone. Whatever breaks here, the others are told.
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
        self.on_leave = on_leave  # tells the client to come back elsewhere
        self.topics: dict[Topic, int] = {}  # the order of what it was told last

    def subscribe(self, topic: Topic, known: int = -1) -> None:
        """Follow, and be told all of it at once, unless `known` is just what there is."""
        snapshot = topic.snapshot()
        self.topics[topic] = known if known == snapshot.order else -1
        topic.followers[self] = None
        self.receive(topic, snapshot)

    def unsubscribe(self, topic: Topic) -> None:
        """Follow no longer; repeating is fine."""
        self.topics.pop(topic, None)
        self._behind.pop(topic, None)
        topic.followers.pop(self, None)

    def receive(self, topic: Topic, update: Update) -> None:
        """Be told, unless something as new was told already."""
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
            return False  # `send` may still do

    async def close(self) -> None:
        """Follow nothing any more."""
        for topic in tuple(self.topics):
            self.unsubscribe(topic)
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait({self._catching_up})

    async def _catch_up(self) -> None:
        """One after the other, each as it stands when its turn comes."""
        try:
            while self._behind:
                topic = next(iter(self._behind))
                del self._behind[topic]
                await self._send_snapshot(topic, topic.snapshot())
        except TimeoutError:
            self._on_too_slow()
            return None  # and stays caught up in this: nothing more is written
        except OSError:
            return None  # the client is gone; whoever reads from it hears so
        except Exception:
            log.exception("live_client_failed")
            return self._on_too_slow()
        self._catching_up = None

    async def _send_snapshot(self, topic: Topic, snapshot: Update) -> None:
        known = self.topics.get(topic)
        if known is not None and snapshot.order > known:
            async with asyncio.timeout(self._send_timeout):
                await self._send(snapshot)
            if topic in self.topics:  # and it may have joined anew, knowing more
                self.topics[topic] = max(self.topics[topic], snapshot.order)
