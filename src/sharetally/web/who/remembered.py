"""What was looked up or worked out once and need not be again for a while.

Used by tokens, API keys and sessions. Nothing is given out after its time, and however many keys come, what is held
stays bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """Values that hold until a time; of more than `capacity` the longest unused are forgotten."""

    def __init__(self, *, capacity: int, now: Callable[[], float]) -> None:
        self._capacity = capacity
        self._now = now
        self._held: OrderedDict[bytes, tuple[V, float]] = OrderedDict()

    def get(self, key: bytes) -> V | None:
        """The value while it holds, else None."""
        found = self._held.get(key)
        if found is None or self._now() >= found[1]:
            self._held.pop(key, None)
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: bytes, value: V, *, until: float) -> None:
        """Hold the value until then; a newer one replaces it."""
        self._held[key] = (value, until)
        self._held.move_to_end(key)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Hold it no longer."""
        self._held.pop(key, None)

    def __len__(self) -> int:
        return len(self._held)
