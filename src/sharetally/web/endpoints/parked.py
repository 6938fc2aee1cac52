"""Parked jobs and dead deliveries: looked at, replayed, given up. What `sharetally dead` does, over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sharetally.domain.content import shown_label
from sharetally.domain.delivery import Delivery, DeliveryState
from sharetally.domain.errors import InvalidRequest, NotFound, Unavailable
from sharetally.domain.event import Cell
from sharetally.flow import dead
from sharetally.flow.again import again
from sharetally.flow.delivery.stuck import about
from sharetally.ports import ParkedEvent
from sharetally.web.answers import Answer, json_answer
from sharetally.web.endpoint import Asked
from sharetally.web.endpoints.paging import starting_after
from sharetally.web.parts import Parts, path_id
from sharetally.web.schemas.operation import DeadJob, DeadJobs, DeadResult, DeadResults, JobCell

_FRESH = ("cache-control", "no-store")


async def listing(parts: Parts, asked: Asked) -> Answer:
    """Newest first."""
    size, after = asked.query.pageSize, starting_after(asked.query)
    parked = [_shown(each) for each in await parts.outbox.parked(limit=size + 1, after=after)]
    stuck = [_shown_delivery(each) for each in await parts.stuck.newest(limit=size + 1, after=after)]
    found = sorted([*parked, *stuck], key=lambda each: UUID(each.id), reverse=True)
    more = found[size - 1].id if len(found) > size else None
    return json_answer(200, DeadJobs(items=found[:size], next=more), _FRESH)


async def read(parts: Parts, asked: Asked) -> Answer:
    """One of them."""
    job_id = path_id(asked)
    if (parked := await parts.outbox.parked_event(job_id)) is not None:
        return json_answer(200, _shown(parked), _FRESH)
    if (delivery := await parts.stuck.find(job_id)) is not None:
        return json_answer(200, _shown_delivery(delivery), _FRESH)
    raise NotFound(f"no parked job or dead delivery {job_id}")


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


def _shown_delivery(delivery: Delivery) -> DeadJob:
    of = about(delivery)
    return DeadJob(
        id=str(delivery.id),
        job=delivery.kind,
        contentType=of.content_type,
        contentId=of.content_id,
        delta=0,
        moved=0,
        to=None,
        origin=None,
        reason=delivery.last_error or "",
        attempts=delivery.attempts,
        createdAt=delivery.created_at,
        recordId=of.record_id,
        userId=of.user_id,
        platform=of.platform,
        requestId=of.request_id,
        payload=delivery.payload,
        target=delivery.target,
        state="unknown" if delivery.state is DeliveryState.UNKNOWN else "dead",
    )


def _cell(cell: Cell | None) -> JobCell | None:
    if cell is None:
        return None
    return JobCell(evidence=cell.evidence, channelId=shown_label(cell.channel), campaignId=shown_label(cell.campaign))


async def replay(parts: Parts, asked: Asked) -> Answer:
    """Pending again, and sent."""
    ids = _ids(asked.body.ids)
    found = await again(lambda: dead.replay(parts.outbox, parts.broker, ids))
    rest = [each for each in ids if each not in found.ids]
    waiting = await again(lambda: parts.stuck.replay(rest, parts.broker)) if rest else []
    details = dict.fromkeys(found.ids, "sent" if found.sent else "the relay sends it within a minute")
    details |= dict.fromkeys(waiting, "a worker delivers it")
    results = [
        DeadResult(id=str(each), outcome="replayed", detail=details[each]) if each in details else _nowhere(each)
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
        return await _discarded_delivery(parts, job_id, actor, reason)
    except Unavailable:
        return DeadResult(id=str(job_id), outcome="failed", detail="the database is away: try again")
    detail = f"{len(lines)} adjustments cancel it" if lines else "it moved no count"
    return DeadResult(id=str(job_id), outcome="discarded", detail=detail)


async def _discarded_delivery(parts: Parts, delivery_id: UUID, actor: str, reason: str) -> DeadResult:
    try:
        await again(lambda: parts.stuck.discard(delivery_id, actor=actor, reason=reason))
    except NotFound:
        return _nowhere(delivery_id)
    except Unavailable:
        return DeadResult(id=str(delivery_id), outcome="failed", detail="the database is away: try again")
    return DeadResult(id=str(delivery_id), outcome="discarded", detail="it will not be delivered")


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
