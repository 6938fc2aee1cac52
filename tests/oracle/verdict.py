"""What a run came to: a table for people, JSON for machines, and whether anything at all was wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

SHOWN = 10  # lines of each kind of fault


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The judge's findings at the end; each line names what was promised and what is stored.

    `lost` was promised and is missing; `duplicated` is there and was never promised; `miscounted` is a count that
    differs from the sum of the ledger's rows, in a table or in an answer.
    """

    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    miscounted: tuple[str, ...] = ()
    pending: int = 0
    parked: int = 0
    settling: float = 0.0  # seconds until nothing was pending


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The whole run. Anything in `faults` fails it."""

    topology: str
    seconds: float
    operations: Mapping[str, int]
    outcomes: Mapping[str, int]
    milliseconds: Mapping[str, float]
    unexpected: tuple[str, ...]
    unexpected_answers: int
    uncertain: int
    looks: int
    drifted: tuple[str, ...]
    unexpected_log_lines: tuple[str, ...]
    findings: Findings

    @property
    def faults(self) -> dict[str, int]:
        """Kind of fault -> how many; all zero is a pass."""
        return {
            "lost": len(self.findings.lost),
            "duplicated": len(self.findings.duplicated),
            "miscounted": len(self.findings.miscounted),
            "unexpected": self.unexpected_answers,
            "drift": len(self.drifted),
            "pending": self.findings.pending,
            "parked": self.findings.parked,
            "tracebacks": len(self.unexpected_log_lines),
        }

    @property
    def passed(self) -> bool:
        """Nothing was wrong."""
        return not any(self.faults.values())

    def as_json(self) -> str:
        """Everything, for machines."""
        return json.dumps({**asdict(self), "faults": self.faults, "passed": self.passed}, indent=1)

    def __str__(self) -> str:
        asked = sum(self.operations.values())
        lines = [
            f"{self.topology}: {'PASSED' if self.passed else 'FAILED'}",
            f"  {asked} requests in {self.seconds:.0f} s ({asked / self.seconds:.0f}/s): {_told(self.operations)}",
            f"  answers {_told(self.outcomes)}; milliseconds {_told(self.milliseconds)}",
            f"  uncertain {self.uncertain}, settled {self.findings.settling:.1f} s after the load; "
            f"verify looked {self.looks} times",
            f"  {_told(self.faults)}",
        ]
        return "\n".join([*lines, *self._details()])

    def _details(self) -> list[str]:
        kinds = {
            "lost": self.findings.lost,
            "duplicated": self.findings.duplicated,
            "miscounted": self.findings.miscounted,
            "unexpected": self.unexpected,
            "drift": self.drifted,
            "in the logs": self.unexpected_log_lines,
        }
        return [f"  {kind}: {line}" for kind, lines in kinds.items() for line in lines[:SHOWN]]


def _told(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
