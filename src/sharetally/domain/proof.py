"""The invariant, in values: counted + pending = ledger, for the total and every cell."""

from __future__ import annotations

from dataclasses import dataclass

from sharetally.domain.content import ContentRef


@dataclass(frozen=True, kw_only=True, slots=True)
class CellProof:
    """One cell seen in one snapshot.

    `cell` is `total`, `evidence:link`, `channel:twitter`, `campaign:none`, `platform:twitter`, or
    `rollup:channel:…` and `rollup:evidence:…`, where `ledger` is the cell that the rollups must sum to.
    """

    content: ContentRef
    cell: str
    counted: int
    pending: int
    ledger: int

    @property
    def drift(self) -> int:
        """How far the count is off: 0, or something is broken."""
        return self.counted + self.pending - self.ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a look found: `contents` looked at, and every cell that is off."""

    contents: int
    drifted: tuple[CellProof, ...]

    @property
    def drift(self) -> int:
        """The sum of what all cells are off, without sign."""
        return sum(abs(proof.drift) for proof in self.drifted)
