"""Jobs from other services: the requirement document's three, taken from `sharetally.in`.

Each becomes a line of the ledger and an event, once per `jobId`. Created and deleted are +1 and -1, so
the order in which they come does not matter. A job that is none is parked with its reason and its text,
and replayed from there when it was mended elsewhere; bytes that are no JSON object are buried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from sharetally.domain.adjustment import MAX_AMOUNT, MAX_JOB_ID, MAX_REASON, Adjustment
from sharetally.domain.content import (
    ContentRef,
    content_type_fault,
    id_fault,
    label_fault,
    prose_fault,
    stored_label,
)
from sharetally.domain.errors import Refused, Unworkable
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.flow.adjusting import Adjust
from sharetally.flow.committer import Committer
from sharetally.flow.consumers.heads import decode_heads
from sharetally.flow.worker import JobResult
from sharetally.ports import Clock, Delivery, Ledger, Outbox, Queue

NAMES = (str(Job.SHARE_CREATED), str(Job.SHARE_DELETED), str(Job.SHARE_COUNT_UPDATE))
ACTOR = "inbound"
MAX_BYTES = 64 * 1024
NOWHERE = ContentRef(type="", id="")


class _Foreign(msgspec.Struct, frozen=True):
    """The document's interfaces in one; which fields a job needs is checked by its name."""

    jobId: str  # noqa: N815
    contentType: str  # noqa: N815
    contentId: str  # noqa: N815
    timestamp: datetime
    shareId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    channelId: str | None = None  # noqa: N815
    campaignId: str | None = None  # noqa: N815
    operation: Literal["increment", "decrement"] | None = None
    amount: int = 1
    reason: str | None = None
    actor: str | None = None


_foreign = msgspec.json.Decoder(_Foreign)


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundJob:
    """A job as it came: its name and text, and the id of the row it was parked on, if it was."""

    name: str
    text: str
    parked_id: UUID | None = None


class Inbound:
    """The owner of what comes from other services."""

    queue = Queue(name="in", jobs=(str(Job.SHARE_INBOUND),))

    def __init__(self, *, ledger: Ledger, outbox: Outbox, committer: Committer, clock: Clock) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._committer = committer
        self._clock = clock

    def decode(self, delivery: Delivery) -> tuple[list[InboundJob], list[bytes]]:
        """One job from outside, or the ids of parked ones that are replayed."""
        if delivery.job == Job.SHARE_INBOUND:
            heads, rest = decode_heads(delivery)
            return [InboundJob(name="", text="", parked_id=head.id) for head in heads], rest
        if len(delivery.body) > MAX_BYTES:
            raise Unworkable(f"longer than {MAX_BYTES} bytes")
        return [_unwrapped(delivery)], []

    async def handle(self, jobs: Sequence[InboundJob]) -> list[JobResult]:
        """Write each through the committer, which makes one transaction of those that come together."""
        return [await self._one(job) for job in jobs]

    async def _one(self, job: InboundJob) -> JobResult:
        if job.parked_id is not None:
            return await self._replayed(job.parked_id)
        adjustment = _adjustment(job)
        await self._write(job, adjustment)
        return _result(job, adjustment)

    async def _write(self, job: InboundJob, adjustment: Adjustment) -> None:
        wish = Adjust(adjustments=[adjustment], user_id=adjustment.actor, job=Job(job.name))
        try:
            await self._committer.submit(wish)
        except Refused as error:
            raise Unworkable(error.detail) from error

    async def _replayed(self, event_id: UUID) -> JobResult:
        """Count what the row holds, then burn the row; twice is once, by the jobId."""
        async with self._ledger.transaction() as tx:
            taken = await tx.take([event_id])
        if not taken:
            return JobResult(
                job_id=str(event_id),
                job=str(Job.SHARE_INBOUND),
                outcome="duplicate",
                content_type="",
                content_id="",
            )
        name, _, text = taken[0].payload.partition("\n")
        job = InboundJob(name=name, text=text, parked_id=event_id)
        adjustment = _adjustment(job)
        await self._write(job, adjustment)
        async with self._ledger.transaction() as tx:
            await tx.burn([event_id])
        return _result(job, adjustment)

    async def set_aside(self, job: InboundJob, reason: str) -> JobResult:
        """Park it, on its row if it has one."""
        if job.parked_id is not None:
            await self._outbox.park(job.parked_id, reason)
        else:
            payload = f"{job.name}\n{job.text}"
            event = Event(id=new_id(), job=Job.SHARE_INBOUND, content=NOWHERE, at=self._clock.now(), payload=payload)
            await self._outbox.park_new(event, reason)
        return JobResult(
            job_id=_job_id(job),
            job=job.name or "inbound",
            outcome="parked",
            content_type="",
            content_id="",
            error=reason,
        )


def _unwrapped(delivery: Delivery) -> InboundJob:
    """The message's type or routing key names the job; `{"pattern", "data"}` is NestJS's envelope."""
    try:
        found = msgspec.json.decode(delivery.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unworkable("not JSON") from error
    if not isinstance(found, dict):
        raise Unworkable("not a JSON object")
    name = delivery.job
    if isinstance(found.get("data"), dict) and isinstance(found.get("pattern"), str):
        name, found = found["pattern"], found["data"]
    return InboundJob(name=name, text=msgspec.json.encode(found).decode().replace("\x00", ""))


def _adjustment(job: InboundJob) -> Adjustment:
    if job.name not in NAMES:
        raise Unworkable(f"no job of ours: {job.name[:64]!r}; the message's type must be one of {', '.join(NAMES)}")
    try:
        found = _foreign.decode(job.text)
    except msgspec.ValidationError as error:
        raise Unworkable(f"{job.name}: {error}") from error
    _check(job.name, found)
    return Adjustment(
        id=new_id(),
        request_key=found.jobId,
        content=ContentRef(type=found.contentType, id=found.contentId),
        amount=_amount(job.name, found),
        channel=stored_label(found.channelId),
        campaign=stored_label(found.campaignId),
        reason=(found.reason or f"{job.name} {found.shareId or ''}".strip())[:MAX_REASON],
        actor=(found.actor or found.userId or ACTOR)[:128],
    )


def _amount(name: str, found: _Foreign) -> int:
    if name == Job.SHARE_CREATED:
        return 1
    return -found.amount if name == Job.SHARE_DELETED or found.operation == "decrement" else found.amount


def _check(name: str, found: _Foreign) -> None:
    labels = [
        (field, value) for field, value in (("channelId", found.channelId), ("campaignId", found.campaignId)) if value
    ]
    people = [(field, value) for field, value in (("userId", found.userId), ("actor", found.actor)) if value]
    faults = [
        ("contentType", content_type_fault(found.contentType)),
        ("contentId", id_fault(found.contentId)),
        ("jobId", None if 1 <= len(found.jobId) <= MAX_JOB_ID else f"must be 1 to {MAX_JOB_ID} characters"),
        ("jobId", prose_fault(found.jobId)),
        *((field, label_fault(value)) for field, value in labels),
        *((field, id_fault(value)) for field, value in people),
        ("reason", prose_fault(found.reason or "")),
        *_missing(name, found),
    ]
    told = [f"{field} {fault}" for field, fault in faults if fault]
    if told:
        raise Unworkable(f"{name}: {'; '.join(told)}")


def _missing(name: str, found: _Foreign) -> list[tuple[str, str | None]]:
    if name == Job.SHARE_COUNT_UPDATE:
        amount = None if 1 <= found.amount <= MAX_AMOUNT else f"must be 1 to {MAX_AMOUNT}"
        return [("operation", None if found.operation else "is missing"), ("amount", amount)]
    return [
        ("shareId", None if found.shareId else "is missing"),
        ("userId", None if found.userId else "is missing"),
        ("amount", None if found.amount == 1 else "is for share_count_update only"),
    ]


def _job_id(job: InboundJob) -> str:
    try:
        return str(_foreign.decode(job.text).jobId)[:MAX_JOB_ID]
    except msgspec.DecodeError:
        return str(job.parked_id or "")


def _result(job: InboundJob, adjustment: Adjustment) -> JobResult:
    return JobResult(
        job_id=adjustment.request_key,
        job=job.name,
        outcome="done",
        content_type=adjustment.content.type,
        content_id=adjustment.content.id,
    )
