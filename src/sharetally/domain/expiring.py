"""A cache whose values expire and whose number of values is bounded.

It is used for everything that was looked up or computed and stays valid for a while: counts, tokens, API keys,
sessions. A value is never returned after it has expired, and however many keys are used, the number of values stays
bounded. No method awaits anything, so each is atomic for the tasks of a process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """Values that expire by the clock `now`; beyond `capacity`, the least recently used value is evicted."""

    def __init__(self, *, capacity: int, now: Callable[[], float]) -> None:
        self._capacity = capacity
        self._now = now
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, or None if it has expired; a read protects it from eviction, but not from expiry."""
        found = self._entries.get(key)
        if found is None or self._now() >= found[1]:
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, *, until: float) -> None:
        """Keep the value until `until`; it replaces an older one."""
        self._entries[key] = (value, until)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def forget(self, key: K) -> None:
        """Remove the value; a key without a value is ignored."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all values."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
