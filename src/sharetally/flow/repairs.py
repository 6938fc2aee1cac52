"""Repair: every cell with drift is changed to the value that the ledger gives, and the audit records why.

A repair is safe while shares are being made and counted.
"""

from __future__ import annotations

from collections.abc import Callable

from sharetally.domain.audit import AuditEntry
from sharetally.domain.ids import new_id
from sharetally.domain.proof import CellProof
from sharetally.domain.share import Action
from sharetally.ports import Clock, ProofStore


async def repair(
    proof: ProofStore,
    clock: Clock,
    *,
    actor: str,
    on_repaired: Callable[[CellProof, int], None],
    dry_run: bool = False,
) -> int:
    """Verify every content item and repair each cell that has drift; return how many cells were changed.

    `on_repaired` is called with each such cell and the amount that was added to it. With `dry_run` nothing is changed.
    """
    result = await proof.verify(None, lambda _: None)
    repaired = 0
    for cell in result.drifted:
        amount = -cell.drift if dry_run else await proof.repair(cell, _audit_entry(cell, clock, actor))
        on_repaired(cell, amount)
        repaired += amount != 0
    return repaired


def _audit_entry(cell: CellProof, clock: Clock, actor: str) -> AuditEntry:
    return AuditEntry(
        id=new_id(),
        at=clock.now(),
        subject_id=new_id(),
        content=cell.content,
        user_id=actor,
        actor=actor,
        action=Action.REPAIRED.value,
        error_message=f"{cell.dimension} {cell.value or '-'}: drift {cell.drift}",
    )
