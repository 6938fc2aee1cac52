"""What an exact count may say while others write: every answered write, and perhaps those still under way.

A read that begins after a write was answered must show it; a write that overlaps the read may or may not show.
So each key (a content, or a content and a platform) has a sum that is settled, the writes that are open, and
the reads that look on: each look widens its own bounds by what begins while it lasts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

Deltas = Mapping[Hashable, int]


@dataclass(slots=True, eq=False)
class ReadBounds:
    """The least and the most that may be shown; shown counts are never negative."""

    low: int
    high: int

    def allows(self, shown: int) -> bool:
        """Whether the count is one that the answered writes allow."""
        return max(self.low, 0) <= shown <= max(self.high, 0)

    def widen(self, delta: int) -> None:
        """Something overlaps the read."""
        self.low += min(delta, 0)
        self.high += max(delta, 0)


class Bounds:
    """Settled sums, open writes and looks, by key."""

    def __init__(self) -> None:
        self._settled: Counter[Hashable] = Counter()
        self._open: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)  # delta -> writes
        self._looks: defaultdict[Hashable, list[ReadBounds]] = defaultdict(list)

    def begin(self, deltas: Deltas) -> None:
        """A write sets out."""
        for key, delta in deltas.items():
            self._open[key][delta] += 1
            for look in self._looks.get(key, ()):
                look.widen(delta)

    def settle(self, deltas: Deltas) -> None:
        """It was answered as expected; one that is never settled stays possible for ever."""
        for key, delta in deltas.items():
            self._open[key][delta] -= 1
            self._settled[key] += delta

    def void(self, deltas: Deltas) -> None:
        """It certainly did nothing."""
        for key, delta in deltas.items():
            self._open[key][delta] -= 1

    @contextmanager
    def read_bounds(self, key: Hashable) -> Iterator[ReadBounds]:
        """The bounds of a read that lasts as long as the block."""
        settled = self._settled[key]
        look = ReadBounds(settled, settled)
        for delta, writes in self._open[key].items():
            look.widen(delta * writes)
        self._looks[key].append(look)
        try:
            yield look
        finally:
            self._looks[key].remove(look)
