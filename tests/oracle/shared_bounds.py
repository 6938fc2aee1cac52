"""Bounds of what several processes write: noted by each while it runs, checked when all have ended.

A process knows nothing of the others' writes, so for a key that is everybody's it only notes when each write began
and when it was answered, and what a read showed. The clock is the machine's (monotonic), the same for all: with
all notes together the least and the most that a read may have shown follow as in `bounds`.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate

from tests.oracle.bounds import Bounds, Deltas, ReadBounds

IsShared = Callable[[Hashable], bool]
Moment = tuple[float, int]  # when, by how much


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRead:
    """A read: from when to when it lasted, and what it showed."""

    began: float
    ended: float
    shown: int


@dataclass(slots=True, kw_only=True)
class BoundsLog:
    """Of one key: writes that began, were answered, or certainly did nothing; and reads."""

    begun: list[Moment] = field(default_factory=list)
    settled: list[Moment] = field(default_factory=list)
    void: list[Moment] = field(default_factory=list)
    glances: list[TimedRead] = field(default_factory=list)

    def join(self, other: BoundsLog) -> None:
        """Those of another process too."""
        self.begun += other.begun
        self.settled += other.settled
        self.void += other.void
        self.glances += other.glances


class SharedBounds(Bounds):
    """Bounds that look on for keys of one's own, and take notes of those that `shared` says are everybody's."""

    def __init__(self, shared: IsShared) -> None:
        super().__init__()
        self._shared = shared
        self.notes: defaultdict[Hashable, BoundsLog] = defaultdict(BoundsLog)

    def begin(self, deltas: Deltas) -> None:
        super().begin(self._own(deltas))
        for notes, delta in self._everybodys(deltas):
            notes.begun.append((time.monotonic(), delta))

    def settle(self, deltas: Deltas) -> None:
        super().settle(self._own(deltas))
        for notes, delta in self._everybodys(deltas):
            notes.settled.append((time.monotonic(), delta))

    def void(self, deltas: Deltas) -> None:
        super().void(self._own(deltas))
        for notes, delta in self._everybodys(deltas):
            notes.void.append((time.monotonic(), delta))

    @contextmanager
    def read_bounds(self, key: Hashable) -> Iterator[ReadBounds]:
        if not self._shared(key):
            with super().read_bounds(key) as look:
                yield look
            return
        began, noting = time.monotonic(), _RecordingBounds(0, 0)
        yield noting
        if noting.shown is not None:
            self.notes[key].glances.append(TimedRead(began=began, ended=time.monotonic(), shown=noting.shown))

    def _own(self, deltas: Deltas) -> Deltas:
        return {key: delta for key, delta in deltas.items() if not self._shared(key)}

    def _everybodys(self, deltas: Deltas) -> list[tuple[BoundsLog, int]]:
        return [(self.notes[key], delta) for key, delta in deltas.items() if self._shared(key)]


class _RecordingBounds(ReadBounds):
    """Allows everything, for now."""

    shown: int | None = None

    def allows(self, shown: int) -> bool:
        self.shown = shown
        return True


def contradictions(key: Hashable, notes: BoundsLog) -> list[str]:
    """Every read that showed what no order of the writes allows."""
    begun, settled, void = _RunningSums(notes.begun), _RunningSums(notes.settled), _RunningSums(notes.void)
    found = []
    for glance in notes.glances:
        gains, losses = begun.until(glance.ended)
        done_gains, done_losses = settled.before(glance.began)
        void_gains, void_losses = void.before(glance.began)
        look = ReadBounds(done_gains + losses - void_losses, done_losses + gains - void_gains)
        if not look.allows(glance.shown):
            found.append(f"{key}: {look} expected, {glance.shown} shown from {glance.began} to {glance.ended}")
    return found


class _RunningSums:
    """What moments come to by a time: gains, and losses."""

    def __init__(self, moments: Sequence[Moment]) -> None:
        ordered = sorted(moments)
        self._times = [when for when, _ in ordered]
        self._gains = [0, *accumulate(max(delta, 0) for _, delta in ordered)]
        self._losses = [0, *accumulate(min(delta, 0) for _, delta in ordered)]

    def until(self, when: float) -> tuple[int, int]:
        return self._at(bisect_right(self._times, when))

    def before(self, when: float) -> tuple[int, int]:
        return self._at(bisect_left(self._times, when))

    def _at(self, place: int) -> tuple[int, int]:
        return self._gains[place], self._losses[place]
