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


class Coalescer(Generic[K, V]):
    """`load` takes each key once, about `max_keys` of them at most, and answers for each."""

    def __init__(self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, max_keys: int) -> None:
        self._load = load
        self._max_keys = max_keys
        self._waiting: deque[tuple[Sequence[K], asyncio.Future[list[V]]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """The answer to a question that goes out after this call began; raises what it raised."""
        return (await self._enqueue((key,)))[0]

    async def get_all(self, keys: Sequence[K]) -> list[V]:
        """The same for several keys, in their order, from one question."""
        return await self._enqueue(keys)

    def _enqueue(self, keys: Sequence[K]) -> asyncio.Future[list[V]]:
        future: asyncio.Future[list[V]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._resolve(self._next_batch())
        finally:
            self._running = None  # however it ended, the next question begins anew
            while self._waiting:  # it was cancelled
                _fail(self._next_batch(), Unavailable("the service is stopping"))

    def _next_batch(self) -> list[tuple[Sequence[K], asyncio.Future[list[V]]]]:
        taken, keys = list[tuple[Sequence[K], asyncio.Future[list[V]]]](), 0
        while self._waiting and (not taken or keys + len(self._waiting[0][0]) <= self._max_keys):
            taken.append(self._waiting.popleft())
            keys += len(taken[-1][0])
        return taken

    async def _resolve(self, batch: Sequence[tuple[Sequence[K], asyncio.Future[list[V]]]]) -> None:
        try:
            found = await self._load(list(dict.fromkeys(key for keys, _ in batch for key in keys)))
            values = [[found[key] for key in keys] for keys, _ in batch]
        except Exception as error:
            _fail(batch, error)
        except BaseException:
            _fail(batch, Unavailable("the service is stopping"))
            raise
        else:
            for (_, future), value in zip(batch, values, strict=True):
                if not future.done():
                    future.set_result(value)


def _fail(batch: Sequence[tuple[Sequence[Any], asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():  # whoever asked may have gone
            future.set_exception(error)
