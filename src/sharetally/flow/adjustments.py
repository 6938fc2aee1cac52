"""Corrections of counts: one or many, each counted once per job id, all or none.

HTTP and the inbound queue both correct counts through `Adjustments`, which checks the texts; `Adjust` is the command
that the committer applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import prose_fault, text_fault
from sharetally.domain.errors import InvalidRequest, JobIdReused
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action
from sharetally.flow.committer import Committer
from sharetally.flow.unit_of_work import IdempotentCommand, UnitOfWork
from sharetally.ports import LockSet, StoredResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Adjustments:
    """The use case of corrections."""

    committer: Committer

    async def adjust(
        self,
        adjustments: Sequence[Adjustment],
        *,
        user_id: str,
        job: Job = Job.SHARE_COUNT_UPDATE,
        request_id: str = "",
        prefix: str = "",
        idempotent: IdempotentCommand | None = None,
    ) -> list[str] | StoredResponse:
        """Write all of them or none, and return their job ids in order, or the stored response if `idempotent`.

        `InvalidRequest` names the field, after `prefix`, in which `{index}` stands for the place in the list.
        """
        for index, each in enumerate(adjustments):
            for name, fault in (("reason", prose_fault(each.reason)), ("jobId", text_fault(each.request_key))):
                if fault:
                    raise InvalidRequest((f"{prefix.format(index=index)}{name}", fault))
        command = Adjust(adjustments=adjustments, user_id=user_id, job=job, request_id=request_id)
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)


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
