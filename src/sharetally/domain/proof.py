"""The invariant, in values: counted + pending = ledger, for the total and every cell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sharetally.domain.content import ContentRef


@dataclass(frozen=True, kw_only=True, slots=True)
class CellProof:
    """One cell seen in one snapshot.

    `dimension` is `total`, `evidence`, `channel`, `campaign`, `platform` or `rollup`; `value` is the cell
    within it, for a rollup `channel/evidence`, for the total ''. `counted` of a rollup is made - withdrawn
    over all its buckets.
    """

    content: ContentRef
    dimension: str
    value: str
    counted: int
    pending: int
    ledger: int

    @property
    def cell(self) -> str:
        """The name it is shown under: `total`, `channel:twitter`, `campaign:none`, `rollup`, …"""
        if self.dimension in ("total", "rollup"):
            return self.dimension
        return f"{self.dimension}:{self.value or 'none'}"

    @property
    def drift(self) -> int:
        """How far the count is off: 0, or something is broken."""
        return self.counted + self.pending - self.ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationRun:
    """A look at everything that was: when it ended, how many contents, how far off, and how long it took."""

    at: datetime
    content_items: int
    drift: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationResult:
    """What a look found: `content_items` looked at, and every cell that is off."""

    content_items: int
    drifted: tuple[CellProof, ...]

    @property
    def drift(self) -> int:
        """The sum of what all cells are off, without sign."""
        return sum(abs(proof.drift) for proof in self.drifted)
