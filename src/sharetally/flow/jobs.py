"""How jobs travel inside: a JSON array per message, each job an id and the content to announce again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated
from uuid import UUID

import msgspec

from sharetally.domain.content import ContentRef
from sharetally.domain.count import NEVER
from sharetally.domain.errors import Unworkable
from sharetally.domain.event import Event
from sharetally.ports import EventHead, Message

JOBS_A_MESSAGE = 500
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


def head_of(event: Event) -> EventHead:
    """What is sent of an event."""
    return EventHead(id=event.id, job=str(event.job), content=event.content)


def messages(heads: Iterable[EventHead]) -> Iterator[Message]:
    """One message per job name, cut at `JOBS_A_MESSAGE`."""
    ordered = sorted(heads, key=lambda head: head.job)
    for job, group in groupby(ordered, key=lambda head: head.job):
        same = list(group)
        for start in range(0, len(same), JOBS_A_MESSAGE):
            yield Message(job=job, body=_encoded(same[start : start + JOBS_A_MESSAGE]))


def _encoded(heads: Sequence[EventHead]) -> bytes:
    return msgspec.json.encode(
        [_Job(jobId=head.id, contentType=head.content.type, contentId=head.content.id) for head in heads]
    )


def mark_message(queue: str, at: datetime) -> Message:
    """A marker: when it comes out of the queue, all that went in before it has."""
    return Message(job=f"mark.{queue}", body=msgspec.json.encode(_Mark(mark=at)))


def mark_in(job: str, body: bytes) -> datetime | None:
    """The marker's time in UTC, if this is one; what no database can store is none."""
    if not job.startswith("mark."):
        return None
    try:
        at = _mark.decode(body).mark.astimezone(UTC)
    except (*NOT_JSON, OverflowError):
        return None
    return at if at > NEVER else None


def decoded(job: str, body: bytes) -> tuple[list[EventHead], list[bytes]]:
    """The jobs of a message, and the pieces that hold none; `Unworkable` if it is no list at all."""
    try:
        return _heads(job, _jobs.decode(body)), []
    except NOT_JSON:
        return _one_by_one(job, body)


def _heads(job: str, found: Iterable[_Job]) -> list[EventHead]:
    """Many jobs of a message are about the same content."""
    contents: dict[tuple[str, str], ContentRef] = {}
    heads = list[EventHead]()
    for each in found:
        key = each.contentType, each.contentId
        content = contents.get(key) or contents.setdefault(key, ContentRef(type=key[0], id=key[1]))
        heads.append(EventHead(id=each.jobId, job=job, content=content))
    return heads


def _one_by_one(job: str, body: bytes) -> tuple[list[EventHead], list[bytes]]:
    """Where something is wrong, what is right is done all the same."""
    try:
        pieces = _pieces.decode(body)
    except NOT_JSON as error:
        raise Unworkable("not a JSON array of jobs") from error
    found, rest = list[_Job](), list[bytes]()
    for piece in pieces:
        try:
            found.append(_job.decode(piece))
        except NOT_JSON:
            rest.append(bytes(piece))
    return _heads(job, found), rest
