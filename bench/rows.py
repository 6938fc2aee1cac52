"""What is measured: pairs in turn, A B A B, and the median of their ratios."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

Measure = Callable[[], Awaitable[float]]


@dataclass(kw_only=True)
class Row:
    """One row of the table; `target` is what the ratio should reach."""

    name: str
    unit: str
    reference: str
    target: float | None
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Pair by pair."""
        return [mine / other for mine, other in zip(self.ours, self.theirs, strict=True)]

    async def pairs(self, count: int, ours: Measure, theirs: Measure) -> None:
        """Measure in turn."""
        for _ in range(count):
            self.ours.append(await ours())
            self.theirs.append(await theirs())

    def as_markdown(self) -> str:
        """A line of the table."""
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        target = f">= {self.target}" if self.target is not None else "-"
        numbers = f"{median(self.ours):,.0f} / {median(self.theirs):,.0f} {self.unit}"
        return f"| {self.name} / {self.reference} | {numbers} | **{median(self.ratios):.2f}** ({spread}) | {target} |"

    def as_json(self) -> dict[str, object]:
        """Everything."""
        return {
            "name": self.name,
            "reference": self.reference,
            "unit": self.unit,
            "ours": self.ours,
            "theirs": self.theirs,
            "ratio": median(self.ratios),
            "target": self.target,
            "notes": self.notes,
        }
