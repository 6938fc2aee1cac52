"""What the short commands do: open what they need, do one thing, say what came of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import typer

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.store import database
from sharetally.adapters.logs import configure
from sharetally.domain.caller import SCOPES
from sharetally.domain.content import ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, Misconfigured, NotFound, SharetallyError, Unavailable
from sharetally.domain.proof import CellProof, Verdict
from sharetally.flow import dead, proving
from sharetally.ports import Database, ParkedEvent
from sharetally.settings import Settings, masked
from sharetally.web.identity import new_key
from sharetally.wiring import allowed_platforms, broker, cache, check_schema, check_there, issued, own_queues

DRIFT = 1
COULD_NOT = 2


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, DatabaseClock]]:
    check_there(settings)
    store, clock = database(settings.database_url), DatabaseClock()
    await store.open()
    try:
        await check_schema(await store.revision())
        await clock.measure(store)
        yield store, clock
    finally:
        await store.close()


# verify and repair


async def verify(settings: Settings, *, as_json: bool, content: str, every: float) -> int:
    """Look once, or keep looking; 0 no drift, 1 drift, 2 could not look."""
    wanted = _content(content) if content else None
    try:
        async with _opened(settings) as (store, _):
            if every:
                return await _watch(settings, store, wanted, as_json, every)
            return await _look(store, wanted, as_json)
    except (Unavailable, Misconfigured) as error:
        typer.echo(f"sharetally: cannot look: {error.detail}", err=True)
        return COULD_NOT


def _content(text: str) -> ContentRef:
    kind, colon, name = text.partition(":")
    fault = "must be TYPE:ID" if not colon else content_type_fault(kind) or id_fault(name)
    if fault:
        raise InvalidRequest(("--content", fault))
    return ContentRef(type=kind, id=name)


async def _look(store: Database, wanted: ContentRef | None, as_json: bool) -> int:
    verdict = await store.verify(wanted, _progress)
    typer.echo(json.dumps(_as_json(verdict)) if as_json else _as_text(verdict))
    return DRIFT if verdict.drifted else 0


def _progress(contents: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{contents} contents looked at", err=True, nl=False)


async def _watch(settings: Settings, store: Database, wanted: ContentRef | None, as_json: bool, every: float) -> int:
    """Look every so many seconds, and tell the metrics; ends when told to."""
    from sharetally.roles import drift_watch

    async with drift_watch(settings, store) as (meter, stop):
        code = 0
        while not stop.is_set():
            try:
                verdict = await store.verify(wanted, lambda _: None)
            except Unavailable as error:
                typer.echo(f"sharetally: cannot look: {error.detail}", err=True)
            else:
                meter.drift(verdict.drift, datetime.now(UTC))
                code = max(code, DRIFT if verdict.drifted else 0)
                typer.echo(
                    json.dumps(_as_json(verdict)) if as_json else f"{datetime.now(UTC):%H:%M:%S} {_as_text(verdict)}"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
    return code


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "contents": verdict.contents,
        "drift": verdict.drift,
        "drifted": [
            {
                "contentType": cell.content.type,
                "contentId": cell.content.id,
                "cell": cell.cell,
                "counted": cell.counted,
                "pending": cell.pending,
                "ledger": cell.ledger,
            }
            for cell in verdict.drifted
        ],
    }


def _as_text(verdict: Verdict) -> str:
    head = f"{verdict.contents} contents, drift {verdict.drift}"
    return "\n".join([head, *(_line(cell) for cell in verdict.drifted)])


def _line(cell: CellProof) -> str:
    name = f"{cell.content.type}:{cell.content.id} {cell.cell}"
    return f"  {name}: counted {cell.counted} + pending {cell.pending} != ledger {cell.ledger}"


async def repair(settings: Settings, *, dry_run: bool, restored: bool) -> None:
    """Mend what is off, and say what was done."""
    async with _opened(settings) as (store, clock):
        if restored and not dry_run:
            raised = await store.restored()
            typer.echo(f"{raised} versions raised; markers and send times forgotten")
        mended = await proving.repair(store, clock, actor="sharetally repair", told=_told, dry_run=dry_run)
    typer.echo(f"{mended} cells {'would be ' if dry_run else ''}mended")


def _told(cell: CellProof, amount: int) -> None:
    typer.echo(f"{_line(cell)}; {amount:+d}")


# tokens and keys


def token(settings: Settings, *, user: str, scope: str, ttl: int) -> str:
    """A token signed with the configured secret."""
    scopes = frozenset(scope.split())
    if not scopes or not scopes <= set(SCOPES) - {"act-as"}:
        raise Misconfigured(f"--scope: must be some of {', '.join(each for each in SCOPES if each != 'act-as')}")
    if fault := id_fault(user):
        raise InvalidRequest(("--user", fault))
    return issued(settings, user=user, scopes=scopes, ttl=ttl)


async def create_key(settings: Settings, name: str, scope: str) -> None:
    """Make a key and show it, once."""
    async with _opened(settings) as (store, clock):
        plain, key = new_key(name, set(scope.split()), clock=clock)
        await store.add_key(key)
    typer.echo(f"{key.id}  {name}  ({' '.join(sorted(key.scopes))})", err=True)
    typer.echo("This key is shown only once:", err=True)
    typer.echo(plain)


async def list_keys(settings: Settings, *, as_json: bool) -> None:
    """What keys there are."""
    async with _opened(settings) as (store, _):
        found = await store.keys()
    rows: list[dict[str, Any]] = [
        {
            "id": str(key.id),
            "name": key.name,
            "scopes": sorted(key.scopes),
            "createdAt": key.created_at.isoformat(),
            "revokedAt": key.revoked_at.isoformat() if key.revoked_at else None,
        }
        for key in found
    ]
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        state = f"revoked {row['revokedAt']}" if row["revokedAt"] else "active"
        typer.echo(f"{row['id']}  {row['name']}  {' '.join(row['scopes'])}  {row['createdAt']}  {state}")


async def revoke_key(settings: Settings, key_id: UUID) -> None:
    """Revoke a key."""
    async with _opened(settings) as (store, _):
        if not await store.revoke_key(key_id):
            raise NotFound(f"no key {key_id}; `sharetally keys list` shows them")
    typer.echo("revoked; it stops within 10 seconds")


# parked jobs


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


async def list_dead(settings: Settings, *, as_json: bool, limit: int) -> None:
    """Parked jobs, newest first."""
    async with _opened(settings) as (store, _):
        rows = [_parked(each) for each in await store.parked(limit=limit)]
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        typer.echo(f"{row['jobId']}  {row['job']}  {row['contentType']}:{row['contentId']}  {row['reason']}")
    typer.echo(f"{len(rows)} parked", err=True)


async def show_dead(settings: Settings, job_id: UUID) -> None:
    """Everything about one."""
    async with _opened(settings) as (store, _):
        found = await store.parked_event(job_id)
    if found is None:
        raise NotFound(f"no parked job {job_id}; `sharetally dead list` shows them")
    event = found.event
    more = {"moved": event.moved, "to": str(event.to), "from": str(event.origin), "payload": event.payload}
    typer.echo(json.dumps(_parked(found) | more, indent=2))


async def replay_dead(settings: Settings, ids: Sequence[UUID], *, every: bool) -> None:
    """Pending again, and sent."""
    if not ids and not every:
        raise Misconfigured("name the jobs to replay, or --all")
    configure("critical", settings.log_format)  # what is wrong is said below
    async with _opened(settings) as (store, _), AsyncExitStack() as stack:
        link = broker(settings)
        reachable = None if link.volatile else link
        if reachable is not None:
            await link.open(own_queues(settings))
            stack.push_async_callback(link.close)
        wanted = [each.event.id for each in await store.parked(limit=10_000)] if every else ids
        pending, sent = await dead.replay(store, reachable, wanted)
    typer.echo(f"{pending} pending again, {'sent' if sent else 'the relay sends them within a minute'}")


async def discard_dead(settings: Settings, job_id: UUID, *, reason: str, author: str) -> None:
    """Give one up."""
    async with _opened(settings) as (store, clock):
        lines = await dead.discard(store, clock, job_id, actor=author, reason=reason)
    cancelled = f"{len(lines)} adjustments cancel it" if lines else "it moved no count"
    typer.echo(f"discarded; {cancelled}")


# doctor


async def doctor(settings: Settings) -> int:
    """Show every setting, try every connection; 1 if anything is wrong."""
    configure("critical", settings.log_format)  # what is wrong is said below
    for name, shown in masked(settings).items():
        typer.echo(f"{name} = {shown}")
    typer.echo("")
    checks = {
        "settings": _check_settings,
        "database": _check_database,
        "broker": _check_broker,
        "cache": _check_cache,
    }
    wrong = [name for name, check in checks.items() if not await _is_right(name, check(settings))]
    return 1 if wrong else 0


async def _is_right(name: str, check: Awaitable[str]) -> bool:
    try:
        typer.echo(f"ok    {name}: {await check}")
    except SharetallyError as error:
        typer.echo(f"WRONG {name}: {error.detail}")
        return False
    return True


async def _check_settings(settings: Settings) -> str:
    return f"platforms {', '.join(allowed_platforms(settings))}"


async def _check_database(settings: Settings) -> str:
    async with _opened(settings) as (store, _):
        backlog = await store.backlog()
    return f"schema is current; {backlog.pending} events pending, {backlog.parked} parked"


async def _check_broker(settings: Settings) -> str:
    link = broker(settings)
    if link.volatile:
        return "in this process"
    await link.open(own_queues(settings))
    try:
        if not link.connected:
            raise Unavailable("RabbitMQ does not let us in: check BROKER_URL, the user's rights, and that it runs")
        states = [(queue.name, await link.state(queue.name)) for queue in own_queues(settings)]
    finally:
        await link.close()
    return ", ".join(f"{name} {state.depth} waiting, {state.consumers} consumers" for name, state in states if state)


async def _check_cache(settings: Settings) -> str:
    near = cache(settings)
    if near is None:
        return "none: counts are read from the database"
    await near.open()
    try:
        if not await near.ping():
            raise Unavailable("Redis does not answer: check CACHE_URL and that it runs")
    finally:
        await near.close()
    return "answers"
