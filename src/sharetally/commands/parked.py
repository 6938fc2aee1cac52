"""`dead`: lists, shows, replays and discards parked jobs and dead deliveries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import typer

from sharetally.adapters.logs import configure
from sharetally.commands.database import open_database
from sharetally.commands.plural import plural
from sharetally.domain.content import shown_label
from sharetally.domain.delivery import Delivery
from sharetally.domain.errors import ConfigurationError, NotFound
from sharetally.domain.event import Cell
from sharetally.flow import parked_events
from sharetally.flow.delivery.stuck import StuckDeliveries, about
from sharetally.ports import Clock, Database, ParkedEvent
from sharetally.settings import Settings
from sharetally.wiring import builtin_queues, create_broker
from sharetally.wiring_posting import discarding_handlers


def _parked_json(parked: ParkedEvent) -> dict[str, Any]:
    event = parked.event
    return {
        "jobId": str(event.id),
        "job": str(event.job),
        "contentType": event.content.type,
        "contentId": event.content.id,
        "delta": event.delta,
        "reason": parked.reason,
        "attempts": parked.attempts,
        "createdAt": parked.created_at.isoformat(),
        "userId": event.user_id,
        "requestId": event.request_id,
    }


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    subject = about(delivery)
    return {
        "jobId": str(delivery.id),
        "job": delivery.kind,
        "contentType": subject.content_type,
        "contentId": subject.content_id,
        "delta": 0,
        "reason": delivery.last_error,
        "attempts": delivery.attempts,
        "createdAt": delivery.created_at.isoformat(),
        "userId": subject.user_id,
        "requestId": subject.request_id,
        "target": delivery.target,
        "state": delivery.state.value,
    }


def _stuck_deliveries(database: Database, clock: Clock) -> StuckDeliveries:
    return StuckDeliveries(store=database.deliveries, ledger=database, handlers=discarding_handlers(database, clock))


def _cell_json(cell: Cell | None) -> dict[str, str | None] | None:
    if cell is None:
        return None
    channel, campaign = shown_label(cell.channel), shown_label(cell.campaign)
    return {"evidence": cell.evidence, "channelId": channel, "campaignId": campaign}


async def list_dead(settings: Settings, *, as_json: bool, limit: int) -> None:
    """Print parked jobs and dead deliveries, newest first."""
    async with open_database(settings) as (database, _):
        parked = [(each.event.id, _parked_json(each)) for each in await database.events.parked(limit=limit)]
        stuck = [(each.id, _delivery_json(each)) for each in await database.deliveries.stuck(limit=limit)]
        total_parked = (await database.events.backlog()).parked if len(parked) == limit else len(parked)
    newest = sorted([*parked, *stuck], key=lambda each: each[0], reverse=True)[:limit]
    rows = [row for _, row in newest]
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        typer.echo(f"{row['jobId']}  {row['job']}  {row['contentType']}:{row['contentId']}  {row['reason']}")
    deliveries = sum("target" in row for row in rows)
    summary = f"{plural(total_parked, 'parked job')}"
    if deliveries:
        summary += f", {plural(deliveries, 'dead or unknown delivery', 'dead or unknown deliveries')}"
    if total_parked != len(rows) - deliveries:
        summary += f"; only the newest {len(rows)} are shown, --limit shows more"
    typer.echo(summary, err=True)


async def show_dead(settings: Settings, job_id: UUID) -> None:
    """Print everything about one parked job or delivery, as JSON."""
    async with open_database(settings) as (database, _):
        parked_event = await database.events.parked_by_id(job_id)
        delivery = None if parked_event else await database.deliveries.stuck_by_id(job_id)
    if delivery is not None:
        return typer.echo(json.dumps(_delivery_json(delivery) | {"payload": delivery.payload}, indent=2))
    if parked_event is None:
        raise NotFound(f"there is no parked job or dead delivery {job_id}; `sharetally dead list` shows them")
    event = parked_event.event
    details = {
        "moved": event.cell_delta,
        "to": _cell_json(event.to),
        "from": _cell_json(event.origin),
        "payload": event.payload,
    }
    typer.echo(json.dumps(_parked_json(parked_event) | details, indent=2))


async def replay_dead(settings: Settings, ids: Sequence[UUID], *, every: bool) -> None:
    """Make parked jobs pending again and send them; return dead deliveries to waiting."""
    if not ids and not every:
        raise ConfigurationError("give the ids of the jobs to replay, or --all")
    configure("critical", settings.log_format)  # the lines below say what happened
    async with open_database(settings) as (database, clock), AsyncExitStack() as stack:
        message_broker = create_broker(settings)
        publishing_broker = None if message_broker.volatile else message_broker
        if publishing_broker is not None:
            await message_broker.open(builtin_queues(settings))
            stack.push_async_callback(message_broker.close)
        if every:
            batches = [batch async for batch in parked_events.replay_all(database.events, publishing_broker)]
        else:
            batches = [await parked_events.replay(database.events, publishing_broker, ids)]
        pending = {job_id for batch in batches for job_id in batch.ids}
        deliveries = _stuck_deliveries(database, clock)
        rest = [job_id for job_id in ids if job_id not in pending]
        waiting = await (
            deliveries.replay_all(publishing_broker) if every else deliveries.replay(rest, publishing_broker)
        )
    if pending or not waiting:
        all_sent = bool(batches) and all(batch.sent for batch in batches)
        sending = "sent" if all_sent else "the relay will send them within a minute"
        typer.echo(f"{plural(len(pending), 'job')} pending again; {sending}")
    if waiting:
        typer.echo(f"{plural(len(waiting), 'delivery', 'deliveries')} waiting again for a worker")


async def discard_dead(settings: Settings, job_id: UUID, *, reason: str, author: str) -> None:
    """Give up one parked job or dead delivery."""
    async with open_database(settings) as (database, clock):
        if await database.deliveries.stuck_by_id(job_id) is not None:
            await _stuck_deliveries(database, clock).discard(job_id, actor=author, reason=reason)
            return typer.echo("discarded; it will not be delivered")
        adjustments = await parked_events.discard(database.events, clock, job_id, actor=author, reason=reason)
    effect = "it would have changed no count"
    if adjustments:
        effect = f"{plural(len(adjustments), 'adjustment')} cancelled its effect on the count"
    typer.echo(f"discarded; {effect}")
