"""What all owners of events share: how their jobs are read, parked and told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from sharetally.domain.event import Event
from sharetally.flow.jobs import decode_refs
from sharetally.flow.worker import JobResult
from sharetally.ports import Delivery, EventRef, EventStore


def decode_delivery(delivery: Delivery) -> tuple[list[EventRef], list[bytes]]:
    """The jobs of an inside message."""
    return decode_refs(delivery.job, delivery.body)


async def park_event(events: EventStore, ref: EventRef, reason: str) -> JobResult:
    """Park the event on its row."""
    await events.park(ref.id, reason)
    return job_result(ref, "parked", error=reason)


def job_result(
    ref: EventRef,
    outcome: str,
    *,
    event: Event | None = None,
    shares: int | None = None,
    error: str | None = None,
) -> JobResult:
    """What became of a job; the row knows better than the job, where there is one."""
    content = event.content if event else ref.content
    return JobResult(
        job_id=str(ref.id),
        job=str(event.job) if event else ref.job,
        outcome=outcome,
        content_type=content.type,
        content_id=content.id,
        share_count=shares,
        request_id=event.request_id if event else "",
        error=error,
    )


def done_or_duplicate(jobs: Iterable[EventRef], burned: Iterable[Event]) -> list[JobResult]:
    """`done` for each event that was burned, `duplicate` for a job that found none, or found it taken."""
    left = dict(by_id(burned))
    found = [(job, left.pop(job.id, None)) for job in jobs]
    return [job_result(job, "done" if event else "duplicate", event=event) for job, event in found]


def by_id(events: Iterable[Event]) -> Mapping[UUID, Event]:
    """Events under their ids."""
    return {event.id: event for event in events}
