"""The store that proves counts: counted + pending = ledger, for every cell of every content item.

Verifying reads from snapshots and takes no lock; `repair` and `reset_after_restore` write. Every method may raise
`Unavailable`; the two that write may also raise `TransientConflict`, after which the call can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.proof import CellProof, VerificationResult


class ProofStore(Protocol):
    """Compares counts with the ledger, and repairs them."""

    async def cells(self, content: ContentRef) -> tuple[list[CellProof], datetime]:
        """The total and every cell of one content item, from one snapshot, and the time of that snapshot."""
        ...

    async def verify(self, content: ContentRef | None, progress: Callable[[int], None]) -> VerificationResult:
        """Check one content item, or all if None; `progress` receives the number of items checked so far."""
        ...

    async def repair(self, drifted: CellProof, audit: AuditEntry) -> int:
        """Add what is missing to a cell, under the lock of its content item; return the amount.

        The drift is computed again under the lock. It is 0, with nothing written, if it has vanished, as for a
        repeated call.
        """
        ...

    async def reset_after_restore(self) -> int:
        """Prepare a database that was restored from a backup; return how many totals got a new version.

        Raises all versions above any that was announced, resets markers and send times, and ends all sessions,
        because some of them had been ended after the backup. It also ends the leases of all workers: one that still
        runs may hold a lease for what it has finished in the part that was lost. Repeating raises the versions once
        more.
        """
        ...
