"""Corrections of counts as a wish: one or many, each counted once per job id, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.errors import JobIdReused
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import LockSet


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    adjustment: Adjustment
    audit_id: UUID
    event_id: UUID


class Adjust:
    """Write these adjustments; `user_id` is the author in the audit."""

    def __init__(
        self,
        *,
        adjustments: Sequence[Adjustment],
        user_id: str,
        job: Job = Job.SHARE_COUNT_UPDATE,
        request_id: str = "",
    ) -> None:
        self._lines = [_Line(adjustment=each, audit_id=new_id(), event_id=new_id()) for each in adjustments]
        self._user_id = user_id
        self._job = job
        self._request_id = request_id

    def lock_set(self) -> LockSet:
        """Their job ids."""
        return LockSet(adjustments=frozenset(line.adjustment.request_key for line in self._lines))

    def apply(self, work: UnitOfWork) -> list[str]:
        """The job ids, in order; one that is already there is left as it is."""
        return [self._apply_one(work, line) for line in self._lines]

    def _apply_one(self, work: UnitOfWork, line: _Line) -> str:
        wanted = line.adjustment
        existing = work.adjustment(wanted.request_key)
        if existing is None:
            self._write(work, line)
        elif not existing.same_as(wanted):
            raise JobIdReused(f"jobId {wanted.request_key!r} was used for another adjustment; take a new one")
        return wanted.request_key

    def _write(self, work: UnitOfWork, line: _Line) -> None:
        item = line.adjustment
        work.add_adjustment(item)
        work.audit(
            AuditEntry(
                id=line.audit_id,
                at=work.now,
                subject_id=item.id,
                content=item.content,
                user_id=self._user_id,
                actor=item.actor,
                action=Action.ADJUSTED.value,
                request_id=self._request_id,
            )
        )
        work.event(
            Event(
                id=line.event_id,
                job=self._job,
                content=item.content,
                at=work.now,
                delta=item.amount,
                cell_delta=item.amount,
                to=item.cell,
                share_id=item.id,
                user_id=self._user_id,
                request_id=self._request_id,
            )
        )
