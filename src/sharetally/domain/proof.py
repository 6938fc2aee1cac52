"""The invariant as values: counted + pending = ledger, for the total and for every cell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sharetally.domain.content import ContentRef


@dataclass(frozen=True, kw_only=True, slots=True)
class CellProof:
    """One cell as seen in one snapshot.

    `dimension` is `total`, `evidence`, `channel`, `campaign`, `platform` or `rollup`; `value` is the value within the
    dimension: `channel/evidence` for a rollup, and '' for the total. For a rollup, `counted` is the sum of made -
    withdrawn over all its buckets.
    """

    content: ContentRef
    dimension: str
    value: str
    counted: int
    pending: int
    ledger: int

    @property
    def cell(self) -> str:
        """The name under which the cell is shown: `total`, `channel:twitter`, `campaign:none`, `rollup`, …"""
        if self.dimension in ("total", "rollup"):
            return self.dimension
        return f"{self.dimension}:{self.value or 'none'}"

    @property
    def drift(self) -> int:
        """By how much the count is wrong; any value other than 0 means that something is broken."""
        return self.counted + self.pending - self.ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationRun:
    """A finished check of all content items: when it ended, how many there were, the drift, and how long it took."""

    at: datetime
    content_items: int
    drift: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationResult:
    """The result of a check: how many content items were checked, and every cell that has drift."""

    content_items: int
    drifted: tuple[CellProof, ...]

    @property
    def drift(self) -> int:
        """The sum of the absolute drift of all cells."""
        return sum(abs(proof.drift) for proof in self.drifted)
