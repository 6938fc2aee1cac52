"""What came out, as lines, as a Markdown table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.alternate import figure
from bench.row import Outcome

HEAD = "| row | ours / reference | ratio (spread) | target | |\n|---|---|---|---|---|"


def terminal_line(outcome: Outcome) -> str:
    """One line for a terminal."""
    if outcome.measured is None:
        return f"FAILED, {outcome.failed}"
    return (
        f"{numbers(entry(outcome))}, ratio {ratio(entry(outcome))}, target {target(entry(outcome))}: {outcome.verdict}"
    )


def entry(outcome: Outcome) -> dict[str, Any]:
    """Everything about a row, as JSON holds it."""
    row, found = outcome.row, outcome.measured
    told = {
        "name": row.name,
        "order": row.order,
        "ours": row.ours,
        "reference": row.reference,
        "unit": row.unit,
        "target": {"sense": row.target.sense, "value": row.target.value} if row.target else None,
        "verdict": outcome.verdict,
        "failed": outcome.failed,
    }
    if found is None:
        return told
    pairs = {"ours": list(found.ours), "reference": list(found.theirs), "ratios": list(found.ratios)}
    return told | {"pairs": pairs, "ratio": found.ratio, "spread": list(found.spread), "notes": list(found.notes)}


def numbers(told: Mapping[str, Any]) -> str:
    """Both sides' medians with their unit."""
    ours, theirs = (figure(median(told["pairs"][side])) for side in ("ours", "reference"))
    return f"{ours} / {theirs} {told['unit']}"


def ratio(told: Mapping[str, Any]) -> str:
    """The ratio and its spread."""
    low, high = told["spread"]
    return f"{figure(told['ratio'])} ({figure(low)} to {figure(high)})"


def target(told: Mapping[str, Any]) -> str:
    """What it should be."""
    wanted = told["target"]
    return f"{'>=' if wanted['sense'] == 'at least' else '<='} {wanted['value']:g}" if wanted else "none"


def markdown_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """All rows as a Markdown table."""
    return "\n".join([HEAD, *map(_row, entries)])


def _row(told: Mapping[str, Any]) -> str:
    name = f"{told['ours']} / {told['reference']}"
    if told["verdict"] == "failed":
        return f"| {name} | | | {target(told)} | **failed**: {_cell(told['failed'])} |"
    return f"| {name} | {numbers(told)} | {_bold(ratio(told))} | {target(told)} | {told['verdict']} |"


def _bold(text: str) -> str:
    first, _, rest = text.partition(" ")
    return f"**{first}** {rest}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def notes(entries: Sequence[Mapping[str, Any]]) -> str:
    """The notes of each row."""
    return "\n".join(
        f"- **{told['ours']} / {told['reference']}** (`{told['name']}`): {'; '.join(told['notes'])}."
        for told in entries
        if told.get("notes")
    )
