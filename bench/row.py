"""A row of the table: which two sides are compared, the target, and the result.

A ratio is always ours / reference, pair by pair; the row's ratio is the median of its pairs and its spread
is the smallest and the largest. A row without a target is reported, and neither met nor missed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bench.harness import BenchHarness


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the ratio should be."""

    sense: Literal["at least", "at most"]
    value: float

    def met(self, ratio: float) -> bool:
        """Whether it is."""
        return ratio >= self.value if self.sense == "at least" else ratio <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.sense == 'at least' else '<='} {self.value:g}"


def at_least(value: float) -> Target:
    """The more the better."""
    return Target(sense="at least", value=value)


def at_most(value: float) -> Target:
    """The less the better."""
    return Target(sense="at most", value=value)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What came out, pair by pair; `notes` say what the numbers do not."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    notes: tuple[str, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """Pair by pair."""
        return tuple(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the pairs."""
        return median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.ratios), max(self.ratios)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row; `full` ones take long, and only the full benchmark runs them.

    `ours` and `reference` name the two sides, `unit` is that of both. `order` is the row's place in the table.
    """

    name: str
    order: int
    ours: str
    reference: str
    unit: str
    measure: Callable[[BenchHarness], Awaitable[Measurement]]
    target: Target | None = None
    full: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row that was run: measured, or failed and why."""

    row: Row
    measured: Measurement | None
    failed: str | None = None

    @property
    def verdict(self) -> str:
        """met, not met, failed, or reported if there is no target."""
        if self.measured is None:
            return "failed"
        if self.row.target is None:
            return "reported"
        return "met" if self.row.target.met(self.measured.ratio) else "not met"
