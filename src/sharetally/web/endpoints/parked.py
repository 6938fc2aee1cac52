"""Jobs that were set aside: looked at, replayed, given up. What `sharetally dead` does, over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sharetally.domain.content import shown_label
from sharetally.domain.errors import InvalidRequest, NotFound, Unavailable
from sharetally.domain.event import Cell
from sharetally.flow import dead
from sharetally.flow.again import again
from sharetally.ports import ParkedEvent
from sharetally.web.answers import Answer, json_answer
from sharetally.web.endpoint import Asked
from sharetally.web.endpoints.paging import starting_after
from sharetally.web.parts import Parts, path_id
from sharetally.web.schemas.operation import DeadJob, DeadJobs, DeadResult, DeadResults, JobCell

_FRESH = ("cache-control", "no-store")


async def listing(parts: Parts, asked: Asked) -> Answer:
    """Newest first."""
    size = asked.query.pageSize
    found = await parts.outbox.parked(limit=size + 1, after=starting_after(asked.query))
    more = str(found[size - 1].event.id) if len(found) > size else None
    return json_answer(200, DeadJobs(items=[_shown(each) for each in found[:size]], next=more), _FRESH)


async def read(parts: Parts, asked: Asked) -> Answer:
    """One of them."""
    job_id = path_id(asked)
    found = await parts.outbox.parked_event(job_id)
    if found is None:
        raise NotFound(f"no parked job {job_id}")
    return json_answer(200, _shown(found), _FRESH)


def _shown(parked: ParkedEvent) -> DeadJob:
    event = parked.event
    return DeadJob(
        id=str(event.id),
        job=str(event.job),
        contentType=event.content.type,
        contentId=event.content.id,
        delta=event.delta,
        moved=event.moved,
        to=_cell(event.to),
        origin=_cell(event.origin),
        reason=parked.reason,
        attempts=parked.attempts,
        createdAt=parked.created_at,
        recordId=str(event.share_id) if event.share_id else None,
        userId=event.user_id,
        platform=event.platform,
        requestId=event.request_id,
        payload=event.payload,
    )


def _cell(cell: Cell | None) -> JobCell | None:
    if cell is None:
        return None
    return JobCell(evidence=cell.evidence, channelId=shown_label(cell.channel), campaignId=shown_label(cell.campaign))


async def replay(parts: Parts, asked: Asked) -> Answer:
    """Pending again, and sent."""
    ids = _ids(asked.body.ids)
    found = await again(lambda: dead.replay(parts.outbox, parts.broker, ids))
    detail = "sent" if found.sent else "the relay sends it within a minute"
    results = [
        DeadResult(id=str(each), outcome="replayed", detail=detail) if each in found.ids else _nowhere(each)
        for each in ids
    ]
    return json_answer(200, DeadResults(results=results), _FRESH)


async def discard(parts: Parts, asked: Asked) -> Answer:
    """Given up, one after the other, each in a transaction of its own."""
    ids, actor, reason = _ids(asked.body.ids), asked.signed.actor, asked.body.reason
    dead.check(actor, reason)
    results = [await _discarded(parts, each, actor, reason) for each in ids]
    if all(each.outcome == "failed" for each in results):
        raise Unavailable
    return json_answer(200, DeadResults(results=results), _FRESH)


async def _discarded(parts: Parts, job_id: UUID, actor: str, reason: str) -> DeadResult:
    try:
        lines = await again(lambda: dead.discard(parts.outbox, parts.clock, job_id, actor=actor, reason=reason))
    except NotFound:
        return _nowhere(job_id)
    except Unavailable:
        return DeadResult(id=str(job_id), outcome="failed", detail="the database is away: try again")
    detail = f"{len(lines)} adjustments cancel it" if lines else "it moved no count"
    return DeadResult(id=str(job_id), outcome="discarded", detail=detail)


def _nowhere(job_id: UUID) -> DeadResult:
    return DeadResult(id=str(job_id), outcome="not-found", detail="it is not parked")


def _ids(told: Sequence[str]) -> list[UUID]:
    """Each once, in their order."""
    return list(dict.fromkeys(_id(text, place) for place, text in enumerate(told)))


def _id(text: str, place: int) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest((f"ids[{place}]", "must be the id of a job, as GET /dead tells it")) from None
