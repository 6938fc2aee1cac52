"""Coalesced calls: whatever happens to one query, the next query is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest

from sharetally.domain.errors import Unavailable
from sharetally.flow.coalescer import Coalescer

pytestmark = pytest.mark.anyio
TIMEOUT = 5.0  # seconds; only what is frozen takes so long


class Asked:
    """Answers each key with its length, unless another answer was set for one call."""

    def __init__(self, *answers: Callable[[Sequence[str]], Mapping[str, int]]) -> None:
        self._answers = list(answers)
        self.opened = asyncio.Event()
        self.opened.set()

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, int]:
        await self.opened.wait()
        if self._answers:
            return self._answers.pop(0)(keys)
        return {key: len(key) for key in keys}


def without_one(keys: Sequence[str]) -> Mapping[str, int]:
    return dict.fromkeys(keys[1:], 1)


def fails(_: Sequence[str]) -> Mapping[str, int]:
    raise ConnectionError("away")


@pytest.mark.parametrize(("answer", "error"), [(without_one, KeyError), (fails, ConnectionError)])
async def test_a_failed_answer_does_not_block_later_callers(
    answer: Callable[[Sequence[str]], Mapping[str, int]], error: type[Exception]
) -> None:
    together = Coalescer(Asked(answer), max_keys=10)
    async with asyncio.timeout(TIMEOUT):
        with pytest.raises(error):
            await together.get("abc")
        assert await together.get("abc") == 3


async def test_waiting_callers_get_an_error_on_cancellation_and_later_ones_an_answer() -> None:
    asked = Asked()
    asked.opened.clear()
    together = Coalescer(asked, max_keys=1)
    async with asyncio.timeout(TIMEOUT):
        waiting = [asyncio.ensure_future(together.get(key)) for key in ("a", "bc")]
        await asyncio.sleep(0)
        assert together._running is not None
        await asyncio.sleep(0)
        together._running.cancel()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in outcomes] == [Unavailable, Unavailable]
        asked.opened.set()
        assert await together.get("abc") == 3
