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

    __slots__ = ("_forms", "order", "value")

    def __init__(self, order: int, value: Any) -> None:
        self.order = order
        self.value = value
        self._forms: dict[object, Any] = {}

    def form(self, make: Callable[[Any], T]) -> T:
        """The state as `make` writes it; made once."""
        found: T | None = self._forms.get(make)
        if found is None:
            found = self._forms[make] = make(self.value)
        return found


class Topic:
    """What can be followed: `whole` is all of its state, `change` what is new since `change` was last called.

    Without `change` all of it is told each time. Then what changes while it is told goes at once to those whose turn
    is still to come, and the next word is for the others.

    The first change is told at once, then there is one word each `interval` seconds at most. Telling takes no more
    than two thirds of the time, however many follow: after each burst of it there is a pause half as long, in which
    the loop sleeps. Python's lock is let go then for long enough that a thread which waits for it wakes up and has it.
    """

    def __init__(
        self, *, interval: float, whole: Callable[[], Update], change: Callable[[], Update] | None = None
    ) -> None:
        self.followers: dict[Follower, None] = {}
        self.whole = whole
        self._interval = interval
        self._change = change
        self._changed = False
        self._began: float | None = None  # when the last word was begun; None once the next may follow
        self._pause: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """There is something new."""
        self._changed = True
        if self._began is None:
            self._tell()

    def close(self) -> None:
        """Nothing is told any more."""
        if self._pause is not None:
            self._pause.cancel()

    def _tell(self) -> None:
        self._changed = False
        self._began = asyncio.get_running_loop().time()
        self._spread((self._change or self.whole)(), iter(tuple(self.followers)), 0.0)

    def _spread(self, update: Update, rest: Iterator[Follower], spent: float) -> None:
        """Tell the next few; `spent` seconds went into that since the last pause."""
        began = perf_counter()
        if self._changed and self._change is None:
            update = self.whole()
        told = 0
        for follower in islice(rest, SLICE):
            follower.take(self, update)
            told += 1
        spent += perf_counter() - began
        loop = asyncio.get_running_loop()
        if told < SLICE:
            self._end(loop, spent)
        elif spent < BURST:
            loop.call_soon(self._spread, update, rest, spent)
        else:
            self._pause = loop.call_later(spent / 2, self._spread, update, rest, 0.0)

    def _end(self, loop: asyncio.AbstractEventLoop, spent: float) -> None:
        if self._began is not None:
            due = self._began + self._interval - loop.time()
            self._pause = loop.call_later(max(due, spent / 2), self._next)

    def _next(self) -> None:
        self._began = None
        if self._changed:
            self._tell()


class Follower:
    """One client. `put` writes what `form` makes of a state, without waiting, or says that it cannot; `send` waits.

    A send that takes longer than `patience` seconds is the last: then `slow` is called, once. So is one that breaks,
    but for an `OSError`: then the client is gone. Whatever breaks here, the others are told.
    """

    __slots__ = ("_catching_up", "_form", "_owed", "_patience", "_put", "_send", "_slow", "leave", "topics")

    def __init__(
        self,
        *,
        form: Callable[[Any], T],
        put: Callable[[T], bool],
        send: Callable[[Update], Awaitable[None]],
        slow: Callable[[], None],
        leave: Callable[[], None],
        patience: float,
    ) -> None:
        self._form: Callable[[Any], Any] = form
        self._put: Callable[[Any], bool] = put
        self._send = send
        self._slow = slow
        self._patience = patience
        self._owed: dict[Topic, None] = {}
        self._catching_up: asyncio.Task[None] | None = None
        self.leave = leave  # tells the client to come back elsewhere
        self.topics: dict[Topic, int] = {}  # the order of what it was told last

    def join(self, topic: Topic, known: int = -1) -> None:
        """Follow, and be told all of it at once, unless `known` is just what there is."""
        whole = topic.whole()
        self.topics[topic] = known if known == whole.order else -1
        topic.followers[self] = None
        self.take(topic, whole)

    def part(self, topic: Topic) -> None:
        """Follow no longer; repeating is fine."""
        self.topics.pop(topic, None)
        self._owed.pop(topic, None)
        topic.followers.pop(self, None)

    def take(self, topic: Topic, update: Update) -> None:
        """Be told, unless something as new was told already."""
        known = self.topics.get(topic)
        if known is None or update.order <= known:
            return
        if self._catching_up is not None:
            self._owed[topic] = None
        elif self._took(update):
            self.topics[topic] = update.order
        else:
            self._owed[topic] = None
            self._catching_up = asyncio.create_task(self._catch_up())

    def _took(self, update: Update) -> bool:
        try:
            return self._put(update.form(self._form))
        except Exception:
            log.exception("live_client_failed")
            return False  # `send` may still do

    async def close(self) -> None:
        """Follow nothing any more."""
        for topic in tuple(self.topics):
            self.part(topic)
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait({self._catching_up})

    async def _catch_up(self) -> None:
        """One after the other, each as it stands when its turn comes."""
        try:
            while self._owed:
                topic = next(iter(self._owed))
                del self._owed[topic]
                await self._told(topic, topic.whole())
        except TimeoutError:
            self._slow()
            return None  # and stays caught up in this: nothing more is written
        except OSError:
            return None  # the client is gone; whoever reads from it hears so
        except Exception:
            log.exception("live_client_failed")
            return self._slow()
        self._catching_up = None

    async def _told(self, topic: Topic, whole: Update) -> None:
        known = self.topics.get(topic)
        if known is not None and whole.order > known:
            async with asyncio.timeout(self._patience):
                await self._send(whole)
            if topic in self.topics:  # and it may have joined anew, knowing more
                self.topics[topic] = max(self.topics[topic], whole.order)
