"""How jobs travel from a commit to the worker: as JSON arrays, each job an event's id and its content item.

The id finds the event's row; the content item is announced again if the row is gone. A broker inside this process
carries the `EventRef` objects themselves, so that nothing is encoded only to be decoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from sharetally.domain.content import ContentRef
from sharetally.domain.count import EPOCH
from sharetally.domain.errors import MalformedMessage
from sharetally.domain.event import Event
from sharetally.ports import Delivery, EventRef, Message

JOBS_PER_MESSAGE = 500
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last: nested a thousand times


class _Job(msgspec.Struct, frozen=True):
    jobId: UUID  # noqa: N815, the requirement document's name
    contentType: str  # noqa: N815
    contentId: str  # noqa: N815


class _Mark(msgspec.Struct, frozen=True):
    mark: Annotated[datetime, msgspec.Meta(tz=True)]


_jobs = msgspec.json.Decoder(list[_Job])
_pieces = msgspec.json.Decoder(list[msgspec.Raw])
_job = msgspec.json.Decoder(_Job)
_mark = msgspec.json.Decoder(_Mark)


def to_ref(event: Event) -> EventRef:
    """What is sent of an event."""
    return EventRef(id=event.id, job=str(event.job), content=event.content)


def to_messages(refs: Iterable[EventRef], *, encoded: bool = True) -> Iterator[Message]:
    """One message per job name, cut at `JOBS_PER_MESSAGE`; a broker inside this process needs nothing encoded."""
    by_job: dict[str, list[EventRef]] = {}
    for ref in refs:
        by_job.setdefault(ref.job, []).append(ref)
    for job, same in sorted(by_job.items()):
        for start in range(0, len(same), JOBS_PER_MESSAGE):
            part = same[start : start + JOBS_PER_MESSAGE]
            if not encoded:
                yield Message(job=job, body=b"", refs=part)
                continue
            jobs = [_Job(jobId=ref.id, contentType=ref.content.type, contentId=ref.content.id) for ref in part]
            yield Message(job=job, body=msgspec.json.encode(jobs))


def marker_message(queue: str, at: datetime) -> Message:
    """A marker: when it comes out of the queue, all that went in before it has."""
    return Message(job=f"mark.{queue}", body=msgspec.json.encode(_Mark(mark=at)))


def parse_marker(job: str, body: bytes) -> datetime | None:
    """The marker's time in UTC, if this is one; what no database can store is none."""
    if not job.startswith("mark."):
        return None
    try:
        at = _mark.decode(body).mark.astimezone(UTC)
    except (*NOT_JSON, OverflowError):
        return None
    return at if at > EPOCH else None


def decode_refs(message: Message | Delivery) -> tuple[list[EventRef], list[bytes]]:
    """The jobs of a message, and the pieces that hold none; `MalformedMessage` if it is no list at all."""
    if message.refs:
        return list(message.refs), []
    rest: list[bytes] = []
    try:
        jobs = _jobs.decode(message.body)
    except NOT_JSON:
        jobs, rest = _decode_one_by_one(message.body)
    contents: dict[tuple[str, str], ContentRef] = {}  # many jobs of a message are about the same content item
    refs = list[EventRef]()
    for each in jobs:
        key = each.contentType, each.contentId
        content = contents.get(key) or contents.setdefault(key, ContentRef(type=key[0], id=key[1]))
        refs.append(EventRef(id=each.jobId, job=message.job, content=content))
    return refs, rest


def _decode_one_by_one(body: bytes) -> tuple[list[_Job], list[bytes]]:
    """Where something is wrong, all that is right is done all the same."""
    try:
        pieces = _pieces.decode(body)
    except NOT_JSON as error:
        raise MalformedMessage("not a JSON array of jobs") from error
    found, rest = list[_Job](), list[bytes]()
    for piece in pieces:
        try:
            found.append(_job.decode(piece))
        except NOT_JSON:
            rest.append(bytes(piece))
    return found, rest
