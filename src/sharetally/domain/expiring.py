"""Values that hold for a time, at most so many of them.

Used for whatever was looked up or worked out once and need not be again for a while: counts, tokens, API keys,
sessions. Nothing is given out after its time, and however many keys come, the number of values stays bounded. No method
awaits anything, so each is one step for every task of a process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """Values that hold until a time, by the clock `now`; of more than `capacity` the longest unused are forgotten."""

    def __init__(self, *, capacity: int, now: Callable[[], float]) -> None:
        self._capacity = capacity
        self._now = now
        self._held: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value while it holds, else None; asking saves it from eviction, not from its end."""
        found = self._held.get(key)
        if found is None or self._now() >= found[1]:
            self._held.pop(key, None)
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, *, until: float) -> None:
        """Hold the value until then; a newer one replaces it."""
        self._held[key] = (value, until)
        self._held.move_to_end(key)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def forget(self, key: K) -> None:
        """Hold it no longer; a key that is not there is fine."""
        self._held.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held)
