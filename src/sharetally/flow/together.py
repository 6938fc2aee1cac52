"""Questions about contents, asked together: all that arrive while one question is out share the next one.

Never the running one, whose answer may be older than what they were told before. Alone, a question goes out
at once; under load each carries more by itself. Whoever stops waiting takes nobody's answer along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count

Ask = Callable[[Sequence[ContentRef]], Awaitable[Sequence[Count]]]


class Together:
    """`ask` takes each content once, `at_once` of them at most, and answers for each."""

    def __init__(self, ask: Ask, *, at_once: int) -> None:
        self._ask = ask
        self._at_once = at_once
        self._waiting: dict[ContentRef, list[asyncio.Future[Count]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def count(self, content: ContentRef) -> Count:
        """The answer to a question that goes out after this call began; raises what it raised."""
        answer: asyncio.Future[Count] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(content, []).append(answer)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            asked = dict(list(self._waiting.items())[: self._at_once])
            for content in asked:
                del self._waiting[content]
            await self._answer(asked)
        self._running = None

    async def _answer(self, asked: Mapping[ContentRef, Sequence[asyncio.Future[Count]]]) -> None:
        try:
            found = {count.content: count for count in await self._ask(list(asked))}
        except Exception as error:
            _settle([(answer, error) for answers in asked.values() for answer in answers])
        else:
            _settle([(answer, found[content]) for content, answers in asked.items() for answer in answers])


def _settle(answers: Sequence[tuple[asyncio.Future[Count], Count | Exception]]) -> None:
    for answer, outcome in answers:
        if answer.done():
            continue  # whoever asked is gone
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
