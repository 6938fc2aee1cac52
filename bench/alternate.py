"""A B A B: both sides of a row in turn, so that anything else the machine does affects both."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence

from bench.row import Measurement

Measure = Callable[[], Awaitable[float]]


async def alternate(count: int, ours: Measure, theirs: Measure, *, notes: Sequence[str] = ()) -> Measurement:
    """Measure `count` pairs. `notes` is read at the end, because the measurements may add to it."""
    pairs: list[tuple[float, float]] = []
    for number in range(1, count + 1):
        pair = (await ours(), await theirs())
        print(f"  pair {number}: {figure(pair[0])} / {figure(pair[1])}", file=sys.stderr)
        pairs.append(pair)
    return Measurement(ours=tuple(a for a, _ in pairs), theirs=tuple(b for _, b in pairs), notes=tuple(notes))


def figure(value: float) -> str:
    """A number for readers: three or four significant digits."""
    if round(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
