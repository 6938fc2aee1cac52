"""`verify` and `repair`: check that counted + pending = ledger, and repair the cells where it is not.

`verify` changes nothing, except that a run over all content items is stored for the console. `repair` changes one
wrong cell at a time, each in a transaction of its own, while the service runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import typer

from sharetally.commands.database import open_database
from sharetally.commands.plural import plural
from sharetally.domain.content import ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, SharetallyError
from sharetally.domain.proof import CellProof, VerificationResult
from sharetally.flow import repairs
from sharetally.flow.accounts.restoring import require_reconnecting
from sharetally.flow.posting.restoring import doubt_unfinished
from sharetally.ports import Database
from sharetally.settings import Settings
from sharetally.wiring_accounts import create_sealing

EXIT_DRIFT = 1
EXIT_FAILED = 2
PROGRESS_SECONDS = 1.0


async def verify(settings: Settings, *, as_json: bool, content: str, every: float) -> int:
    """Verify once, or every so many seconds; returns 0 without drift, 1 with drift, 2 if the run failed."""
    content_ref = None
    if content:
        content_type, separator, content_id = content.partition(":")
        fault = content_type_fault(content_type) or id_fault(content_id) if separator else "must be TYPE:ID"
        if fault:
            raise InvalidRequest(("--content", fault))
        content_ref = ContentRef(type=content_type, id=content_id)
    try:
        async with open_database(settings) as (database, _):
            if every:
                return await _verify_repeatedly(settings, database, content_ref, as_json, every)
            started = time.monotonic()
            async with show_progress() as progress:
                result = await database.proof.verify(content_ref, progress)
            await _store_run(database, content_ref, result, time.monotonic() - started)
            typer.echo(json.dumps(_as_json(result)) if as_json else _as_text(result))
            return EXIT_DRIFT if result.drifted else 0
    except SharetallyError as error:
        typer.echo(f"sharetally: verify failed: {error.detail}", err=True)
        return EXIT_FAILED


async def _store_run(
    database: Database, content_ref: ContentRef | None, result: VerificationResult, seconds: float
) -> None:
    """Store a run over all content items for the console; a user who may only read can verify all the same."""
    if content_ref is None:
        with suppress(SharetallyError):
            await database.verification_runs.record(result, seconds)


@asynccontextmanager
async def show_progress() -> AsyncIterator[Callable[[int], None]]:
    """On a terminal, print progress every second, also while a single statement checks all content items."""
    checked, started = 0, time.monotonic()

    def progress(content_items: int) -> None:
        nonlocal checked
        checked = content_items

    async def print_progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            step = f"{checked} content items checked" if checked else "checking all content items in one snapshot"
            typer.echo(f"\r{step}, {time.monotonic() - started:.0f} s", err=True, nl=False)

    task = asyncio.create_task(print_progress()) if sys.stderr.isatty() else None
    try:
        yield progress
    finally:
        if task is not None:
            task.cancel()
            typer.echo("", err=True)


async def _verify_repeatedly(
    settings: Settings, database: Database, content_ref: ContentRef | None, as_json: bool, every: float
) -> int:
    """Verify every so many seconds and export the drift as a metric, until the process is asked to stop."""
    from sharetally.roles import drift_watch

    async with drift_watch(settings, database) as (meter, stop):
        code = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                result = await _result_or_stop(stop, database.proof.verify(content_ref, lambda _: None))
            except SharetallyError as error:
                typer.echo(f"sharetally: verify failed: {error.detail}", err=True)
            else:
                if result is None:
                    break
                meter.drift(result.drift, datetime.now(UTC))
                await _store_run(database, content_ref, result, time.monotonic() - started)
                code = max(code, EXIT_DRIFT if result.drifted else 0)
                typer.echo(
                    json.dumps(_as_json(result)) if as_json else f"{datetime.now(UTC):%H:%M:%S} {_as_text(result)}"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
    return code


async def _result_or_stop(
    stop: asyncio.Event, verifying: Coroutine[Any, Any, VerificationResult]
) -> VerificationResult | None:
    """The result of the run; None if the process is asked to stop first, since a large ledger takes minutes."""
    verification, stopping = asyncio.create_task(verifying), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({verification, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return verification.result() if verification.done() else None
    finally:
        verification.cancel()
        stopping.cancel()
        await asyncio.wait({verification, stopping})


def _as_json(result: VerificationResult) -> dict[str, Any]:
    return {
        "contents": result.content_items,
        "drift": result.drift,
        "drifted": [
            {
                "contentType": cell.content.type,
                "contentId": cell.content.id,
                "cell": cell.cell,
                "counted": cell.counted,
                "pending": cell.pending,
                "ledger": cell.ledger,
            }
            for cell in result.drifted
        ],
    }


def _as_text(result: VerificationResult) -> str:
    summary = f"{plural(result.content_items, 'content item')}, drift {result.drift}"
    return "\n".join([summary, *(_line(cell) for cell in result.drifted)])


def _line(cell: CellProof) -> str:
    cell_name = f"{cell.content.type}:{cell.content.id} {cell.cell}"
    return f"  {cell_name}: counted {cell.counted} + pending {cell.pending} != ledger {cell.ledger}"


async def repair(settings: Settings, *, dry_run: bool, restored: bool) -> None:
    """Repair every wrong cell, or with `dry_run` print what would be repaired."""
    async with open_database(settings) as (database, clock):
        if restored and not dry_run:
            raised = plural(await database.proof.reset_after_restore(), "version")
            typer.echo(f"{raised} raised; queue marks, send times, console links and console sessions deleted")
            if reconnect := await require_reconnecting(database.accounts, create_sealing(settings), clock):
                typer.echo(f"{plural(reconnect, 'account')} to be connected again by its user")
            if doubted := await doubt_unfinished(database, database.posts, clock):
                typer.echo(f"{plural(doubted, 'unfinished post')} to be looked for before anything is sent")
        repaired = await repairs.repair(
            database.proof,
            clock,
            actor="sharetally repair",
            on_repaired=lambda cell, amount: typer.echo(f"{_line(cell)}; {amount:+d}"),
            dry_run=dry_run,
        )
    typer.echo(f"{plural(repaired, 'cell')} {'would be ' if dry_run else ''}repaired")
