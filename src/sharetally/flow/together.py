"""Questions asked together: all that arrive while one question is out share the next one.

Never the running one, whose answer may be older than what they were told before. Alone, a question goes out
at once; under load each carries more by itself. Whoever stops waiting takes nobody's answer along.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

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
        while self._waiting:
            await self._answer(self._next())
        self._running = None

    def _next(self) -> list[tuple[Sequence[K], asyncio.Future[list[V]]]]:
        taken, keys = list[tuple[Sequence[K], asyncio.Future[list[V]]]](), 0
        while self._waiting and (not taken or keys + len(self._waiting[0][0]) <= self._at_once):
            taken.append(self._waiting.popleft())
            keys += len(taken[-1][0])
        return taken

    async def _answer(self, asked: Sequence[tuple[Sequence[K], asyncio.Future[list[V]]]]) -> None:
        try:
            found = await self._ask(list(dict.fromkeys(key for keys, _ in asked for key in keys)))
        except Exception as error:
            for _, answer in asked:
                if not answer.done():  # whoever asked may have gone
                    answer.set_exception(error)
        else:
            for keys, answer in asked:
                if not answer.done():
                    answer.set_result([found[key] for key in keys])
