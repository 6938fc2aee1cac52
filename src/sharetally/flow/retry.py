"""A short transaction of its own runs again where a deadlock or a twin stood in its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sharetally.domain.errors import TransientConflict, Unavailable

MAX_TRIES = 8
T = TypeVar("T")


async def retry_transaction(step: Callable[[], Awaitable[T]]) -> T:
    """What the step returns at last; `Unavailable` where something stands in its way time after time."""
    for _ in range(MAX_TRIES):
        try:
            return await step()
        except TransientConflict:
            continue
    raise Unavailable("the database is busy")
