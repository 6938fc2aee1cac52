"""Parked jobs and dead deliveries: list, show, replay, discard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import typer

from sharetally.adapters.logs import configure
from sharetally.commands.database import open_database
from sharetally.domain.content import shown_label
from sharetally.domain.delivery import Delivery
from sharetally.domain.errors import ConfigurationError, NotFound
from sharetally.domain.event import Cell
from sharetally.flow import parked_events
from sharetally.flow.delivery.stuck import StuckDeliveries, about
from sharetally.ports import Clock, Database, ParkedEvent
from sharetally.settings import Settings
from sharetally.wiring import builtin_queues, create_broker, delivery_handlers


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


def _delivery(parked: Delivery) -> dict[str, Any]:
    of = about(parked)
    return {
        "jobId": str(parked.id),
        "job": parked.kind,
        "contentType": of.content_type,
        "contentId": of.content_id,
        "delta": 0,
        "reason": parked.last_error,
        "attempts": parked.attempts,
        "createdAt": parked.created_at.isoformat(),
        "userId": of.user_id,
        "requestId": of.request_id,
        "target": parked.target,
        "state": parked.state.value,
    }


def _stuck(database: Database, clock: Clock) -> StuckDeliveries:
    return StuckDeliveries(store=database.deliveries, ledger=database, handlers=delivery_handlers(clock))


def _cell_json(cell: Cell | None) -> dict[str, str | None] | None:
    if cell is None:
        return None
    channel, campaign = shown_label(cell.channel), shown_label(cell.campaign)
    return {"evidence": cell.evidence, "channelId": channel, "campaignId": campaign}


async def list_dead(settings: Settings, *, as_json: bool, limit: int) -> None:
    """Parked jobs and dead deliveries, newest first."""
    async with open_database(settings) as (database, _):
        parked = [(parked.event.id, _parked_json(parked)) for parked in await database.events.parked(limit=limit)]
        stuck = [(parked.id, _delivery(parked)) for parked in await database.deliveries.stuck(limit=limit)]
        parked_in_all = (await database.events.backlog()).parked if len(parked) == limit else len(parked)
    newest = sorted([*parked, *stuck], key=lambda parked: parked[0], reverse=True)[:limit]
    rows = [row for _, row in newest]
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        typer.echo(f"{row['jobId']}  {row['job']}  {row['contentType']}:{row['contentId']}  {row['reason']}")
    deliveries = sum("target" in row for row in rows)
    dead_too = f", {deliveries} deliveries dead or unknown" if deliveries else ""
    all_shown = parked_in_all == len(rows) - deliveries
    details = "" if all_shown else f", the newest {len(rows)} are shown; --limit shows more"
    typer.echo(f"{parked_in_all} parked{dead_too}{details}", err=True)


async def show_dead(settings: Settings, job_id: UUID) -> None:
    """Everything about one."""
    async with open_database(settings) as (database, _):
        parked_event = await database.events.parked_by_id(job_id)
        delivery = None if parked_event else await database.deliveries.stuck_by_id(job_id)
    if delivery is not None:
        return typer.echo(json.dumps(_delivery(delivery) | {"payload": delivery.payload}, indent=2))
    if parked_event is None:
        raise NotFound(f"no parked job {job_id}; `sharetally dead list` shows them")
    event = parked_event.event
    details = {
        "moved": event.cell_delta,
        "to": _cell_json(event.to),
        "from": _cell_json(event.origin),
        "payload": event.payload,
    }
    typer.echo(json.dumps(_parked_json(parked_event) | details, indent=2))


async def replay_dead(settings: Settings, ids: Sequence[UUID], *, every: bool) -> None:
    """Pending again, and sent."""
    if not ids and not every:
        raise ConfigurationError("name the jobs to replay, or --all")
    configure("critical", settings.log_format)  # what is wrong is said below
    async with open_database(settings) as (database, clock), AsyncExitStack() as stack:
        message_broker = create_broker(settings)
        publishing_broker = None if message_broker.volatile else message_broker
        if publishing_broker is not None:
            await message_broker.open(builtin_queues(settings))
            stack.push_async_callback(message_broker.close)
        if every:
            steps = [
                (replayed.ids, replayed.sent)
                async for replayed in parked_events.replay_all(database.events, publishing_broker)
            ]
        else:
            replayed = await parked_events.replay(database.events, publishing_broker, ids)
            steps = [(replayed.ids, replayed.sent)]
        pending = {parked for replayed, _ in steps for parked in replayed}
        deliveries = _stuck(database, clock)
        rest = [parked for parked in ids if parked not in pending]
        waiting = await (
            deliveries.replay_all(publishing_broker) if every else deliveries.replay(rest, publishing_broker)
        )
    if pending or not waiting:
        all_sent = bool(steps) and all(sent for _, sent in steps)
        typer.echo(f"{len(pending)} pending again, {'sent' if all_sent else 'the relay sends them within a minute'}")
    if waiting:
        typer.echo(f"{len(waiting)} deliveries wait again for a worker")


async def discard_dead(settings: Settings, job_id: UUID, *, reason: str, author: str) -> None:
    """Give one up."""
    async with open_database(settings) as (database, clock):
        if await database.deliveries.stuck_by_id(job_id) is not None:
            await _stuck(database, clock).discard(job_id, actor=author, reason=reason)
            return typer.echo("discarded; it will not be delivered")
        adjustments = await parked_events.discard(database.events, clock, job_id, actor=author, reason=reason)
    cancelled = f"{len(adjustments)} adjustments cancel it" if adjustments else "it moved no count"
    typer.echo(f"discarded; {cancelled}")
