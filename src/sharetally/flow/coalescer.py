"""Coalescing: calls that arrive while a query is running share the next query.

They never share the running query, whose result may be older than something that their caller already knows. A single
call is sent at once; under load, each query carries more keys. A caller that stops waiting does not affect the
others, and a query that fails, for whatever reason, fails for those who wait for it and for nobody after them.
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
    """Combines calls into queries.

    `load` gets each key once and returns a value for each; one query has about `max_keys` keys at most.
    """

    def __init__(self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, max_keys: int) -> None:
        self._load = load
        self._max_keys = max_keys
        self._waiting: deque[tuple[Sequence[K], asyncio.Future[list[V]]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """The value from a query that is sent after this call began; raises what the query raised."""
        return (await self._enqueue((key,)))[0]

    async def get_all(self, keys: Sequence[K]) -> list[V]:
        """The same for several keys, in their order, from one query."""
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
                batch = self._next_batch()
                try:
                    found = await self._load(list(dict.fromkeys(key for keys, _ in batch for key in keys)))
                    values = [[found[key] for key in keys] for keys, _ in batch]
                except Exception as error:
                    _fail(batch, error)
                except BaseException:
                    _fail(batch, Unavailable("the service is shutting down"))
                    raise
                else:
                    for (_, future), result in zip(batch, values, strict=True):
                        if not future.done():
                            future.set_result(result)
        finally:
            self._running = None  # however this ended, the next call starts a new task
            while self._waiting:  # only if this task was cancelled
                _fail(self._next_batch(), Unavailable("the service is shutting down"))

    def _next_batch(self) -> list[tuple[Sequence[K], asyncio.Future[list[V]]]]:
        batch, key_count = list[tuple[Sequence[K], asyncio.Future[list[V]]]](), 0
        while self._waiting and (not batch or key_count + len(self._waiting[0][0]) <= self._max_keys):
            batch.append(self._waiting.popleft())
            key_count += len(batch[-1][0])
        return batch


def _fail(batch: Sequence[tuple[Sequence[Any], asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():  # its caller may have been cancelled
            future.set_exception(error)
