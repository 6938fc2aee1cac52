"""What became of each row on each database: judged, as a table for people, as JSON and as Markdown.

A row has passed if nothing at all was lost, doubled, unexpected, drifted or wrong in a count, nothing is left pending
or in a queue, what was set aside is exactly what was predicted, and the row itself raised nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

MAX_SHOWN_LINES = 5  # lines of what was wrong


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row on one database. Every number except the first two, `looks`, `parked`, `dead` and times should be 0.

    `attempts` requests were made and `acknowledged` answered with success; `lost` and `duplicated` are rows of the
    ledger; `unexpected` counts answers; `drift` is how many of the `looks` of verify saw drift; `cells` counts cells
    and rollups that are wrong; `pending` events and `depth` messages are left; `parked` events and `dead` messages were
    set aside, compared with the prediction; `settling` is the time in seconds until nothing was pending. `wrong`
    describes each fault, and `notes` what happened.
    """

    row: int
    title: str
    database: str
    attempts: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    looks: int = 0
    drift: int = 0
    cells: int = 0
    pending: int = 0
    depth: int = 0
    parked: int = 0
    parked_predicted: int = 0
    dead: int = 0
    dead_predicted: int = 0
    settling: float = 0.0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    failure: str | None = None  # what the row raised

    @property
    def passed(self) -> bool:
        """Nothing was wrong, and somebody looked."""
        zero = (self.lost, self.duplicated, self.unexpected, self.drift, self.cells, self.pending, self.depth)
        predicted = (self.parked, self.dead) == (self.parked_predicted, self.dead_predicted)
        judged = self.looks > 0 and self.acknowledged > 0
        return not any(zero) and predicted and judged and not self.wrong and self.failure is None

    @property
    def verdict(self) -> str:
        """In a word."""
        return "passed" if self.passed else "FAILED"

    def told(self) -> list[str]:
        """The outcome as text, line by line."""
        wrong = [*([self.failure] if self.failure else []), *self.wrong[:MAX_SHOWN_LINES]]
        return [*self.notes, *(f"WRONG: {line}" for line in wrong)]


HEADINGS = (
    "row", "database", "attempts", "acknowledged", "lost", "duplicated", "unexpected", "drift (runs)", "cells",
    "pending", "in queues", "parked", "dead", "settled in", "verdict",
)  # fmt: skip


def table_cells(outcome: Outcome) -> tuple[str, ...]:
    """A line of the table."""
    numbers = (outcome.attempts, outcome.acknowledged, outcome.lost, outcome.duplicated, outcome.unexpected)
    return (
        str(outcome.row),
        outcome.database,
        *(f"{number:,}" for number in numbers),
        f"{outcome.drift} ({outcome.looks})",
        *(str(number) for number in (outcome.cells, outcome.pending, outcome.depth)),
        _predicted(outcome.parked, outcome.parked_predicted),
        _predicted(outcome.dead, outcome.dead_predicted),
        f"{outcome.settling:.1f} s",
        outcome.verdict,
    )


def _predicted(found: int, predicted: int) -> str:
    return str(found) if found == predicted else f"{found} (not {predicted})"


def as_text(outcomes: Sequence[Outcome]) -> str:
    """The table for a terminal, each row's title and story below."""
    lines = [HEADINGS, *map(table_cells, outcomes)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([*table, "", *(line for outcome in outcomes for line in _story(outcome))])


def _story(outcome: Outcome) -> list[str]:
    head = f"{outcome.row} on {outcome.database}, {outcome.seconds:.0f} s: {outcome.title}"
    return [head, *(f"    {line}" for line in outcome.told())]


def as_json(outcomes: Sequence[Outcome], about: dict[str, object]) -> str:
    """Everything, for machines; `about` the run."""
    rows = [{**asdict(outcome), "passed": outcome.passed} for outcome in outcomes]
    return json.dumps({**about, "passed": all(each.passed for each in outcomes), "rows": rows}, indent=1) + "\n"


def as_markdown(outcomes: Sequence[Outcome]) -> str:
    """The table for the documentation."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(table_cells, outcomes)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
