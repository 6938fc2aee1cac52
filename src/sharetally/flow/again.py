"""A short transaction of its own runs again where a deadlock or a twin stood in its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sharetally.domain.errors import RunAgain, Unavailable

TRIES = 8
T = TypeVar("T")


async def again(step: Callable[[], Awaitable[T]]) -> T:
    """What the step returns at last; `Unavailable` where something stands in its way time after time."""
    for _ in range(TRIES):
        try:
            return await step()
        except RunAgain:
            continue
    raise Unavailable("the database is busy")
