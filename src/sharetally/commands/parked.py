"""Parked jobs and dead deliveries: list, show, replay, discard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import typer

from sharetally.adapters.logs import configure
from sharetally.commands.opened import opened
from sharetally.domain.content import shown_label
from sharetally.domain.delivery import Delivery
from sharetally.domain.errors import Misconfigured, NotFound
from sharetally.domain.event import Cell
from sharetally.flow import dead
from sharetally.flow.delivery.stuck import StuckDeliveries, about
from sharetally.ports import Clock, Database, ParkedEvent
from sharetally.settings import Settings
from sharetally.wiring import broker, delivery_handlers, own_queues


def _parked(each: ParkedEvent) -> dict[str, Any]:
    event = each.event
    return {
        "jobId": str(event.id),
        "job": str(event.job),
        "contentType": event.content.type,
        "contentId": event.content.id,
        "delta": event.delta,
        "reason": each.reason,
        "attempts": each.attempts,
        "createdAt": each.created_at.isoformat(),
        "userId": event.user_id,
        "requestId": event.request_id,
    }


def _delivery(each: Delivery) -> dict[str, Any]:
    of = about(each)
    return {
        "jobId": str(each.id),
        "job": each.kind,
        "contentType": of.content_type,
        "contentId": of.content_id,
        "delta": 0,
        "reason": each.last_error,
        "attempts": each.attempts,
        "createdAt": each.created_at.isoformat(),
        "userId": of.user_id,
        "requestId": of.request_id,
        "target": each.target,
        "state": each.state.value,
    }


def _stuck(store: Database, clock: Clock) -> StuckDeliveries:
    return StuckDeliveries(store=store.deliveries, ledger=store, handlers=delivery_handlers(clock))


def _cell(cell: Cell | None) -> dict[str, str | None] | None:
    if cell is None:
        return None
    channel, campaign = shown_label(cell.channel), shown_label(cell.campaign)
    return {"evidence": cell.evidence, "channelId": channel, "campaignId": campaign}


async def list_dead(settings: Settings, *, as_json: bool, limit: int) -> None:
    """Parked jobs and dead deliveries, newest first."""
    async with opened(settings) as (store, _):
        parked = [(each.event.id, _parked(each)) for each in await store.parked(limit=limit)]
        stuck = [(each.id, _delivery(each)) for each in await store.deliveries.stuck(limit=limit)]
        parked_in_all = (await store.backlog()).parked if len(parked) == limit else len(parked)
    newest = sorted([*parked, *stuck], key=lambda each: each[0], reverse=True)[:limit]
    rows = [row for _, row in newest]
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        typer.echo(f"{row['jobId']}  {row['job']}  {row['contentType']}:{row['contentId']}  {row['reason']}")
    deliveries = sum("target" in row for row in rows)
    dead_too = f", {deliveries} deliveries dead or unknown" if deliveries else ""
    all_shown = parked_in_all == len(rows) - deliveries
    more = "" if all_shown else f", the newest {len(rows)} are shown; --limit shows more"
    typer.echo(f"{parked_in_all} parked{dead_too}{more}", err=True)


async def show_dead(settings: Settings, job_id: UUID) -> None:
    """Everything about one."""
    async with opened(settings) as (store, _):
        found = await store.parked_event(job_id)
        delivery = None if found else await store.deliveries.stuck_delivery(job_id)
    if delivery is not None:
        return typer.echo(json.dumps(_delivery(delivery) | {"payload": delivery.payload}, indent=2))
    if found is None:
        raise NotFound(f"no parked job {job_id}; `sharetally dead list` shows them")
    event = found.event
    more = {"moved": event.moved, "to": _cell(event.to), "from": _cell(event.origin), "payload": event.payload}
    typer.echo(json.dumps(_parked(found) | more, indent=2))


async def replay_dead(settings: Settings, ids: Sequence[UUID], *, every: bool) -> None:
    """Pending again, and sent."""
    if not ids and not every:
        raise Misconfigured("name the jobs to replay, or --all")
    configure("critical", settings.log_format)  # what is wrong is said below
    async with opened(settings) as (store, clock), AsyncExitStack() as stack:
        link = broker(settings)
        reachable = None if link.volatile else link
        if reachable is not None:
            await link.open(own_queues(settings))
            stack.push_async_callback(link.close)
        if every:
            steps = [(found.ids, found.sent) async for found in dead.replay_all(store, reachable)]
        else:
            found = await dead.replay(store, reachable, ids)
            steps = [(found.ids, found.sent)]
        pending = {each for replayed, _ in steps for each in replayed}
        deliveries = _stuck(store, clock)
        rest = [each for each in ids if each not in pending]
        waiting = await (deliveries.replay_all(reachable) if every else deliveries.replay(rest, reachable))
    if pending or not waiting:
        all_sent = bool(steps) and all(sent for _, sent in steps)
        typer.echo(f"{len(pending)} pending again, {'sent' if all_sent else 'the relay sends them within a minute'}")
    if waiting:
        typer.echo(f"{len(waiting)} deliveries wait again for a worker")


async def discard_dead(settings: Settings, job_id: UUID, *, reason: str, author: str) -> None:
    """Give one up."""
    async with opened(settings) as (store, clock):
        if await store.deliveries.stuck_delivery(job_id) is not None:
            await _stuck(store, clock).discard(job_id, actor=author, reason=reason)
            return typer.echo("discarded; it will not be delivered")
        lines = await dead.discard(store, clock, job_id, actor=author, reason=reason)
    cancelled = f"{len(lines)} adjustments cancel it" if lines else "it moved no count"
    typer.echo(f"discarded; {cancelled}")
