"""Questions asked together: all that arrive while one question is out share the next one.

Never the running one, whose answer may be older than what they were told before. Alone, a question goes out
at once; under load each carries more by itself. Whoever stops waiting takes nobody's answer along, and an answer that
fails, in whatever way, fails for those who wait for it and for nobody after them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sharetally.domain.errors import Unavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Together(Generic[K, V]):
    """`ask` takes each key once, about `at_once` of them at most, and answers for each."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, at_once: int) -> None:
        self._ask = ask
        self._at_once = at_once
        self._waiting: deque[tuple[Sequence[K], asyncio.Future[list[V]]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """The answer to a question that goes out after this call began; raises what it raised."""
        return (await self._asked((key,)))[0]

    async def all(self, keys: Sequence[K]) -> list[V]:
        """The same for several keys, in their order, from one question."""
        return await self._asked(keys)

    def _asked(self, keys: Sequence[K]) -> asyncio.Future[list[V]]:
        answer: asyncio.Future[list[V]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next())
        finally:
            self._running = None  # however it ended, the next question begins anew
            while self._waiting:  # it was cancelled
                _fail(self._next(), Unavailable("the service is stopping"))

    def _next(self) -> list[tuple[Sequence[K], asyncio.Future[list[V]]]]:
        taken, keys = list[tuple[Sequence[K], asyncio.Future[list[V]]]](), 0
        while self._waiting and (not taken or keys + len(self._waiting[0][0]) <= self._at_once):
            taken.append(self._waiting.popleft())
            keys += len(taken[-1][0])
        return taken

    async def _answer(self, asked: Sequence[tuple[Sequence[K], asyncio.Future[list[V]]]]) -> None:
        try:
            found = await self._ask(list(dict.fromkeys(key for keys, _ in asked for key in keys)))
            values = [[found[key] for key in keys] for keys, _ in asked]
        except Exception as error:
            _fail(asked, error)
        except BaseException:
            _fail(asked, Unavailable("the service is stopping"))
            raise
        else:
            for (_, answer), value in zip(asked, values, strict=True):
                if not answer.done():
                    answer.set_result(value)


def _fail(asked: Sequence[tuple[Sequence[Any], asyncio.Future[Any]]], error: Exception) -> None:
    for _, answer in asked:
        if not answer.done():  # whoever asked may have gone
            answer.set_exception(error)
