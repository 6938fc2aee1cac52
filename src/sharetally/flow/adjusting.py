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
from sharetally.flow.batch import Batch
from sharetally.ports import References


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

    def references(self) -> References:
        """Their job ids."""
        return References(adjustments=frozenset(line.adjustment.request_key for line in self._lines))

    def apply(self, batch: Batch) -> list[str]:
        """The job ids, in order; one that is already there is left as it is."""
        return [self._one(batch, line) for line in self._lines]

    def _one(self, batch: Batch, line: _Line) -> str:
        wanted = line.adjustment
        stands = batch.adjustment(wanted.request_key)
        if stands is None:
            self._write(batch, line)
        elif not stands.same_as(wanted):
            raise JobIdReused(f"jobId {wanted.request_key!r} was used for another adjustment; take a new one")
        return wanted.request_key

    def _write(self, batch: Batch, line: _Line) -> None:
        item = line.adjustment
        batch.add_adjustment(item)
        batch.audit(
            AuditEntry(
                id=line.audit_id,
                at=batch.now,
                subject_id=item.id,
                content=item.content,
                user_id=self._user_id,
                actor=item.actor,
                action=Action.ADJUSTED.value,
                request_id=self._request_id,
            )
        )
        batch.event(
            Event(
                id=line.event_id,
                job=self._job,
                content=item.content,
                at=batch.now,
                delta=item.amount,
                moved=item.amount,
                to=item.cell,
                share_id=item.id,
                user_id=self._user_id,
                request_id=self._request_id,
            )
        )
