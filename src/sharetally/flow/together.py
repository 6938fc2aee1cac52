"""Questions asked together: all that arrive while one question is out share the next one.

Never the running one, whose answer may be older than what they were told before. Alone, a question goes out
at once; under load each carries more by itself. Whoever stops waiting takes nobody's answer along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Together(Generic[K, V]):
    """`ask` takes each key once, `at_once` of them at most, and answers for each."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, at_once: int) -> None:
        self._ask = ask
        self._at_once = at_once
        self._waiting: dict[K, list[asyncio.Future[V]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """The answer to a question that goes out after this call began; raises what it raised."""
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            asked = dict(list(self._waiting.items())[: self._at_once])
            for key in asked:
                del self._waiting[key]
            await self._answer(asked)
        self._running = None

    async def _answer(self, asked: Mapping[K, Sequence[asyncio.Future[V]]]) -> None:
        try:
            found = await self._ask(list(asked))
        except Exception as error:
            for answer in _still_wanted(asked.values()):
                answer.set_exception(error)
        else:
            for key, answers in asked.items():
                for answer in _still_wanted([answers]):
                    answer.set_result(found[key])


def _still_wanted(answers: Iterable[Sequence[asyncio.Future[V]]]) -> Iterator[asyncio.Future[V]]:
    """Those whose askers have not gone."""
    return (answer for those in answers for answer in those if not answer.done())
