"""Jobs that were set aside: list, show, replay, discard."""

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
from sharetally.domain.errors import Misconfigured, NotFound
from sharetally.domain.event import Cell
from sharetally.flow import dead
from sharetally.ports import ParkedEvent
from sharetally.settings import Settings
from sharetally.wiring import broker, own_queues


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


def _cell(cell: Cell | None) -> dict[str, str | None] | None:
    if cell is None:
        return None
    channel, campaign = shown_label(cell.channel), shown_label(cell.campaign)
    return {"evidence": cell.evidence, "channelId": channel, "campaignId": campaign}


async def list_dead(settings: Settings, *, as_json: bool, limit: int) -> None:
    """Parked jobs, newest first."""
    async with opened(settings) as (store, _):
        rows = [_parked(each) for each in await store.parked(limit=limit)]
        parked = (await store.backlog()).parked if len(rows) == limit else len(rows)
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        typer.echo(f"{row['jobId']}  {row['job']}  {row['contentType']}:{row['contentId']}  {row['reason']}")
    shown = "" if parked == len(rows) else f", the newest {len(rows)} are shown; --limit shows more"
    typer.echo(f"{parked} parked{shown}", err=True)


async def show_dead(settings: Settings, job_id: UUID) -> None:
    """Everything about one."""
    async with opened(settings) as (store, _):
        found = await store.parked_event(job_id)
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
    async with opened(settings) as (store, _), AsyncExitStack() as stack:
        link = broker(settings)
        reachable = None if link.volatile else link
        if reachable is not None:
            await link.open(own_queues(settings))
            stack.push_async_callback(link.close)
        if every:
            steps = [(len(found.ids), found.sent) async for found in dead.replay_all(store, reachable)]
        else:
            found = await dead.replay(store, reachable, ids)
            steps = [(len(found.ids), found.sent)]
    sent = bool(steps) and all(sent for _, sent in steps)
    pending = sum(number for number, _ in steps)
    typer.echo(f"{pending} pending again, {'sent' if sent else 'the relay sends them within a minute'}")


async def discard_dead(settings: Settings, job_id: UUID, *, reason: str, author: str) -> None:
    """Give one up."""
    async with opened(settings) as (store, clock):
        lines = await dead.discard(store, clock, job_id, actor=author, reason=reason)
    cancelled = f"{len(lines)} adjustments cancel it" if lines else "it moved no count"
    typer.echo(f"discarded; {cancelled}")
