"""Parked events: an operator replays them once the cause is fixed, or discards them with an author and a reason.

Replaying makes the event pending again and sends it. Discarding deletes it and, in the same transaction, writes the
adjustments that cancel it cell by cell, so that the invariant holds before and after. Discarding a post also fails its
record, which would otherwise stay pending for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.adjustment import MAX_REASON, Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import prose_fault
from sharetally.domain.errors import BrokerUnavailable, InvalidRequest, NotFound
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action
from sharetally.flow.consumers.post import key_of_post
from sharetally.flow.jobs import to_messages
from sharetally.flow.posting.failing import discarded, fail_post
from sharetally.ports import Broker, Clock, EventStore, Transaction

MAX_ACTOR = 128  # characters
MAX_PER_TRANSACTION = 5_000  # events in one transaction of `replay_all`


class Replayed(NamedTuple):
    """The ids that are pending again, and whether they were sent; if not, the relay sends them within a minute."""

    ids: frozenset[UUID]
    sent: bool


async def replay(events: EventStore, broker: Broker | None, ids: Sequence[UUID]) -> Replayed:
    """Make those of these events that are parked pending again, and send them if the broker is available."""
    refs = await events.unpark(ids)
    found = frozenset(ref.id for ref in refs)
    if not refs or broker is None:
        return Replayed(found, sent=False)
    try:
        await broker.publish(list(to_messages(refs)))
    except BrokerUnavailable:
        return Replayed(found, sent=False)
    return Replayed(found, sent=True)


async def replay_all(events: EventStore, broker: Broker | None) -> AsyncIterator[Replayed]:
    """Replay all parked events, newest first, `MAX_PER_TRANSACTION` in each step.

    Events that are parked again in the meantime are left for the next call, so this always ends.
    """
    after: UUID | None = None
    while parked := await events.parked(limit=MAX_PER_TRANSACTION, after=after):
        after = parked[-1].event.id
        yield await replay(events, broker, [each.event.id for each in parked])


async def discard(events: EventStore, clock: Clock, event_id: UUID, *, actor: str, reason: str) -> Sequence[Adjustment]:
    """Delete a parked event and return the adjustments that cancel it; `NotFound` if it is not parked."""
    check_author_and_reason(actor, reason)
    parked = await events.parked_by_id(event_id)
    if parked is None:
        raise NotFound(f"no parked job {event_id}")
    event, settle = parked.event, None
    if event.job == Job.SHARE_POST:

        async def settle(tx: Transaction) -> None:
            """Fail the record: without its post, nothing else would ever change its status."""
            failure, request_id = discarded(reason), event.request_id
            await fail_post(tx, key_of_post(event), failure, clock=clock, actor=actor, request_id=request_id)

    adjustments = []
    if event.to is not None and event.cell_delta:
        platform = event.platform if event.delta else None
        adjustments.append(_adjustment(event, event.to, -event.cell_delta, platform, actor, reason))
    if event.origin is not None and event.cell_delta:
        adjustments.append(_adjustment(event, event.origin, event.cell_delta, None, actor, reason))
    if not await events.discard(event_id, adjustments, _audit_entry(event, clock, actor, reason), settle):
        raise NotFound(f"no parked job {event_id}")
    return adjustments


def check_author_and_reason(actor: str, reason: str) -> None:
    """Raise `InvalidRequest` unless author and reason are both given and valid."""
    texts = {"author": (actor, MAX_ACTOR), "reason": (reason, MAX_REASON)}
    for name, (text, longest) in texts.items():
        if not 1 <= len(text.strip()) <= len(text) <= longest:
            raise InvalidRequest((name, f"must be 1 to {longest} characters"))
        if fault := prose_fault(text):
            raise InvalidRequest((name, fault))


def _adjustment(event: Event, cell: Cell, amount: int, platform: str | None, actor: str, reason: str) -> Adjustment:
    return Adjustment(
        id=new_id(),
        request_key=f"discard:{event.id}:{'+' if amount > 0 else '-'}",
        content=event.content,
        amount=amount,
        channel=cell.channel,
        campaign=cell.campaign,
        reason=reason,
        actor=actor,
        evidence=cell.evidence,
        platform=platform,
    )


def _audit_entry(event: Event, clock: Clock, actor: str, reason: str) -> AuditEntry:
    return AuditEntry(
        id=new_id(),
        at=clock.now(),
        subject_id=event.share_id or event.id,
        content=event.content,
        user_id=event.user_id or actor,
        actor=actor,
        action=Action.DISCARDED.value,
        error_message=reason,
        request_id=event.request_id,
    )
