"""Handlers of parked jobs and dead deliveries: list, read, replay and discard them, as `sharetally dead` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sharetally.domain.content import shown_label
from sharetally.domain.delivery import Delivery, DeliveryState
from sharetally.domain.errors import InvalidRequest, NotFound, Unavailable
from sharetally.domain.event import Cell
from sharetally.flow import parked_events
from sharetally.flow.delivery.stuck import StuckDeliveries, about
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Broker, Clock, EventStore, ParkedEvent
from sharetally.web.api.dead_letters.schemas import (
    DeadJob,
    DeadJobs,
    DeadResult,
    DeadResults,
    DiscardBody,
    JobCell,
    ReplayBody,
)
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request
from sharetally.web.paging import PageQuery, starting_after
from sharetally.web.parameters import IdPath
from sharetally.web.responses import Response, json_response

_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetters:
    """Parked events and deliveries that will not arrive."""

    events: EventStore
    stuck: StuckDeliveries
    broker: Broker
    clock: Clock


async def list_jobs(dead: DeadLetters, request: Request[NoPath, PageQuery, NoBody]) -> Response:
    """Newest first."""
    size, after = request.query.pageSize, starting_after(request.query)
    parked = [_job_body(each) for each in await dead.events.parked(limit=size + 1, after=after)]
    stuck = [_shown_delivery(each) for each in await dead.stuck.newest(limit=size + 1, after=after)]
    found = sorted([*parked, *stuck], key=lambda each: UUID(each.id), reverse=True)
    more = found[size - 1].id if len(found) > size else None
    return json_response(200, DeadJobs(items=found[:size], next=more), _NO_STORE)


async def read_job(dead: DeadLetters, request: Request[IdPath, NoQuery, NoBody]) -> Response:
    """One parked job or dead delivery."""
    job_id = request.path.uuid
    if (parked := await dead.events.parked_by_id(job_id)) is not None:
        return json_response(200, _job_body(parked), _NO_STORE)
    if (delivery := await dead.stuck.find(job_id)) is not None:
        return json_response(200, _shown_delivery(delivery), _NO_STORE)
    raise NotFound(f"no parked job or dead delivery {job_id}")


def _job_body(parked: ParkedEvent) -> DeadJob:
    event = parked.event
    return DeadJob(
        id=str(event.id),
        job=str(event.job),
        contentType=event.content.type,
        contentId=event.content.id,
        delta=event.delta,
        moved=event.cell_delta,
        to=_cell_body(event.to),
        origin=_cell_body(event.origin),
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


def _cell_body(cell: Cell | None) -> JobCell | None:
    if cell is None:
        return None
    return JobCell(evidence=cell.evidence, channelId=shown_label(cell.channel), campaignId=shown_label(cell.campaign))


async def replay(dead: DeadLetters, request: Request[NoPath, NoQuery, ReplayBody]) -> Response:
    """Make parked jobs pending again and send them; make dead deliveries due again."""
    ids = _unique_ids(request.body.ids)
    found = await retry_transaction(lambda: parked_events.replay(dead.events, dead.broker, ids))
    rest = [each for each in ids if each not in found.ids]
    waiting = await retry_transaction(lambda: dead.stuck.replay(rest, dead.broker)) if rest else []
    details = dict.fromkeys(found.ids, "sent" if found.sent else "the relay sends it within a minute")
    details |= dict.fromkeys(waiting, "a worker delivers it")
    results = [
        DeadResult(id=str(each), outcome="replayed", detail=details[each])
        if each in details
        else _not_found_result(each)
        for each in ids
    ]
    return json_response(200, DeadResults(results=results), _NO_STORE)


async def discard(dead: DeadLetters, request: Request[NoPath, NoQuery, DiscardBody]) -> Response:
    """Discard one after the other, each in its own transaction."""
    ids, actor, reason = _unique_ids(request.body.ids), request.caller.actor, request.body.reason
    parked_events.check_author_and_reason(actor, reason)
    results = [await _discard_one(dead, each, actor, reason) for each in ids]
    if all(each.outcome == "failed" for each in results):
        raise Unavailable
    return json_response(200, DeadResults(results=results), _NO_STORE)


async def _discard_one(dead: DeadLetters, job_id: UUID, actor: str, reason: str) -> DeadResult:
    try:
        lines = await retry_transaction(
            lambda: parked_events.discard(dead.events, dead.clock, job_id, actor=actor, reason=reason)
        )
    except NotFound:
        try:
            await retry_transaction(lambda: dead.stuck.discard(job_id, actor=actor, reason=reason))
        except NotFound:
            return _not_found_result(job_id)
        except Unavailable:
            return DeadResult(id=str(job_id), outcome="failed", detail="the database is away: try again")
        return DeadResult(id=str(job_id), outcome="discarded", detail="it will not be delivered")
    except Unavailable:
        return DeadResult(id=str(job_id), outcome="failed", detail="the database is away: try again")
    detail = f"{len(lines)} adjustments cancel it" if lines else "it moved no count"
    return DeadResult(id=str(job_id), outcome="discarded", detail=detail)


def _not_found_result(job_id: UUID) -> DeadResult:
    return DeadResult(id=str(job_id), outcome="not-found", detail="it is not parked")


def _unique_ids(texts: Sequence[str]) -> list[UUID]:
    """Each once, in their order."""
    ids: dict[UUID, None] = {}
    for index, text in enumerate(texts):
        try:
            ids[UUID(text)] = None
        except ValueError:
            raise InvalidRequest((f"ids[{index}]", "must be the id of a job, as GET /dead returns it")) from None
    return list(ids)
