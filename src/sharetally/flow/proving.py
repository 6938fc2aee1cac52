"""The mend: every cell that is off is moved to what the ledger says, under load too, and the audit says why."""

from __future__ import annotations

from collections.abc import Callable

from sharetally.domain.audit import AuditEntry
from sharetally.domain.ids import new_id
from sharetally.domain.proof import CellProof
from sharetally.domain.share import Action
from sharetally.ports import Clock, Proving


async def repair(
    proving: Proving,
    clock: Clock,
    *,
    actor: str,
    told: Callable[[CellProof, int], None],
    dry_run: bool = False,
) -> int:
    """Look at everything and mend what is off; tells each cell and what was added. Returns how many cells."""
    verdict = await proving.verify(None, lambda _: None)
    mended = 0
    for cell in verdict.drifted:
        amount = -cell.drift if dry_run else await proving.repair(cell, _audited(cell, clock, actor))
        told(cell, amount)
        mended += amount != 0
    return mended


def _audited(cell: CellProof, clock: Clock, actor: str) -> AuditEntry:
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
