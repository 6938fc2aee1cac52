"""Jobs as other services send them: unwrapped, checked, and read as a line of the ledger.

The requirement document's three interfaces in one. Created and deleted are +1 and -1, so the order in which
they come does not matter. `MalformedMessage` says what keeps a job from being one.
"""

from __future__ import annotations

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
from sharetally.domain.errors import MalformedMessage
from sharetally.domain.event import Job
from sharetally.domain.ids import new_id
from sharetally.flow.jobs import NOT_JSON
from sharetally.ports import Delivery

JOB_NAMES = (str(Job.SHARE_CREATED), str(Job.SHARE_DELETED), str(Job.SHARE_COUNT_UPDATE))
ACTOR = "inbound"
MAX_BYTES = 60 * 1024  # with the name before it, what a TEXT of every database holds
MAX_NAME = 64
VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundJob:
    """A job as it came: its name and text, and the id of the row it was parked on, if it was."""

    name: str
    text: str
    parked_id: UUID | None = None

    @property
    def job_id(self) -> str:
        """The sender's jobId, as far as it can be read; else that of the row."""
        try:
            return _external_job.decode(self.text).jobId[:MAX_JOB_ID]
        except NOT_JSON:
            return str(self.parked_id or "")


class _ExternalJob(msgspec.Struct, frozen=True):
    """Which fields a job needs is checked by its name."""

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
    version: int = VERSION


class _Envelope(msgspec.Struct, frozen=True):
    """How NestJS wraps a job."""

    pattern: str
    data: msgspec.Raw


_external_job = msgspec.json.Decoder(_ExternalJob)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_envelope = msgspec.json.Decoder(_Envelope)


def unwrap(delivery: Delivery) -> InboundJob:
    """The message's type or routing key names the job, or the envelope's pattern does."""
    if len(delivery.body) > MAX_BYTES:
        raise MalformedMessage(f"longer than {MAX_BYTES} bytes")
    try:
        text = delivery.body.decode()
        _object.decode(text)
    except NOT_JSON as error:
        raise MalformedMessage("not a JSON object") from error
    return _unwrap_envelope(text) or InboundJob(name=_storable(delivery.job), text=text)


def _unwrap_envelope(text: str) -> InboundJob | None:
    try:
        found = _envelope.decode(text)
        _object.decode(found.data)
    except NOT_JSON:
        return None
    return InboundJob(name=_storable(found.pattern), text=bytes(found.data).decode())


def _storable(name: str) -> str:
    """A name on one line, which every database takes."""
    return "".join(character if character.isprintable() else "?" for character in name[:MAX_NAME])


def to_payload(job: InboundJob) -> str:
    """How a job is kept on its row."""
    return f"{job.name}\n{job.text}"


def from_payload(payload: str, parked_id: UUID) -> InboundJob:
    """What `to_payload` kept."""
    name, _, text = payload.partition("\n")
    return InboundJob(name=name, text=text, parked_id=parked_id)


def to_adjustment(job: InboundJob) -> Adjustment:
    """The line of the ledger that the job asks for."""
    if job.name not in JOB_NAMES:
        raise MalformedMessage(
            f"no job of ours: {job.name!r}; the message's type must be one of {', '.join(JOB_NAMES)}"
        )
    try:
        found = _external_job.decode(job.text)
    except NOT_JSON as error:
        raise MalformedMessage(f"{job.name}: {error}") from error
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


def _amount(name: str, found: _ExternalJob) -> int:
    if name == Job.SHARE_CREATED:
        return 1
    return -found.amount if name == Job.SHARE_DELETED or found.operation == "decrement" else found.amount


def _check(name: str, found: _ExternalJob) -> None:
    labels = [(field, value) for field in ("channelId", "campaignId") if (value := getattr(found, field))]
    people = [(field, value) for field in ("userId", "actor") if (value := getattr(found, field))]
    faults = [
        ("contentType", content_type_fault(found.contentType)),
        ("contentId", id_fault(found.contentId)),
        ("version", None if found.version == VERSION else f"must be {VERSION}, the only one that is known"),
        ("jobId", None if 1 <= len(found.jobId) <= MAX_JOB_ID else f"must be 1 to {MAX_JOB_ID} characters"),
        *((field, prose_fault(getattr(found, field) or "")) for field in ("jobId", "shareId", "reason")),
        *((field, label_fault(value)) for field, value in labels),
        *((field, id_fault(value)) for field, value in people),
        *_missing(name, found),
    ]
    reasons = [f"{field} {fault}" for field, fault in faults if fault]
    if reasons:
        raise MalformedMessage(f"{name}: {'; '.join(reasons)}")


def _missing(name: str, found: _ExternalJob) -> list[tuple[str, str | None]]:
    if name == Job.SHARE_COUNT_UPDATE:
        amount = None if 1 <= found.amount <= MAX_AMOUNT else f"must be 1 to {MAX_AMOUNT}"
        return [("operation", None if found.operation else "is missing"), ("amount", amount)]
    return [
        ("shareId", None if found.shareId else "is missing"),
        ("userId", None if found.userId else "is missing"),
        ("amount", None if found.amount == 1 else "is for share_count_update only"),
    ]
