"""Verify and repair: look at the invariant, and mend what is off."""

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
from sharetally.domain.content import ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, SharetallyError
from sharetally.domain.proof import CellProof, VerificationResult
from sharetally.flow import repairs
from sharetally.ports import Database
from sharetally.settings import Settings

EXIT_DRIFT = 1
EXIT_FAILED = 2
PROGRESS_SECONDS = 1.0


async def verify(settings: Settings, *, as_json: bool, content: str, every: float) -> int:
    """Look once, or keep looking; 0 no drift, 1 drift, 2 could not look."""
    content_ref = _parse_content(content) if content else None
    try:
        async with open_database(settings) as (database, _):
            if every:
                return await _verify_repeatedly(settings, database, content_ref, as_json, every)
            return await _verify_once(database, content_ref, as_json)
    except SharetallyError as error:
        typer.echo(f"sharetally: cannot look: {error.detail}", err=True)
        return EXIT_FAILED


def _parse_content(text: str) -> ContentRef:
    content_type, separator, content_id = text.partition(":")
    fault = "must be TYPE:ID" if not separator else content_type_fault(content_type) or id_fault(content_id)
    if fault:
        raise InvalidRequest(("--content", fault))
    return ContentRef(type=content_type, id=content_id)


async def _verify_once(database: Database, content_ref: ContentRef | None, as_json: bool) -> int:
    started = time.monotonic()
    async with show_progress() as progress:
        verdict = await database.proof.verify(content_ref, progress)
    await _store_run(database, content_ref, verdict, time.monotonic() - started)
    typer.echo(json.dumps(_as_json(verdict)) if as_json else _as_text(verdict))
    return EXIT_DRIFT if verdict.drifted else 0


async def _store_run(
    database: Database, content_ref: ContentRef | None, verdict: VerificationResult, seconds: float
) -> None:
    """A look at everything is what the console shows; who may only read looks all the same."""
    if content_ref is None:
        with suppress(SharetallyError):
            await database.verification_runs.record(verdict, seconds)


@asynccontextmanager
async def show_progress() -> AsyncIterator[Callable[[int], None]]:
    """On a terminal, a line that moves every second: also while one statement looks at everything."""
    checked, started = 0, time.monotonic()

    def progress(contents: int) -> None:
        nonlocal checked
        checked = contents

    async def print_progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            typer.echo(_progress_line(checked, time.monotonic() - started), err=True, nl=False)

    task = asyncio.create_task(print_progress()) if sys.stderr.isatty() else None
    try:
        yield progress
    finally:
        if task is not None:
            task.cancel()
            typer.echo("", err=True)


def _progress_line(contents: int, seconds: float) -> str:
    progress_text = f"{contents} contents looked at" if contents else "looking at all contents in one snapshot"
    return f"\r{progress_text}, {seconds:.0f} s"


async def _verify_repeatedly(
    settings: Settings, database: Database, content_ref: ContentRef | None, as_json: bool, every: float
) -> int:
    """Look every so many seconds, and tell the metrics; ends when told to."""
    from sharetally.roles import drift_watch

    async with drift_watch(settings, database) as (meter, stop):
        code = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                verdict = await _result_or_stop(stop, database.proof.verify(content_ref, lambda _: None))
            except SharetallyError as error:
                typer.echo(f"sharetally: cannot look: {error.detail}", err=True)
            else:
                if verdict is None:
                    break
                meter.drift(verdict.drift, datetime.now(UTC))
                await _store_run(database, content_ref, verdict, time.monotonic() - started)
                code = max(code, EXIT_DRIFT if verdict.drifted else 0)
                typer.echo(
                    json.dumps(_as_json(verdict)) if as_json else f"{datetime.now(UTC):%H:%M:%S} {_as_text(verdict)}"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
    return code


async def _result_or_stop(
    stop: asyncio.Event, verifying: Coroutine[Any, Any, VerificationResult]
) -> VerificationResult | None:
    """What it finds; None if it was time to end first: a look at a large ledger takes minutes."""
    verification, stopping = asyncio.create_task(verifying), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({verification, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return verification.result() if verification.done() else None
    finally:
        verification.cancel()
        stopping.cancel()
        await asyncio.wait({verification, stopping})


def _as_json(verdict: VerificationResult) -> dict[str, Any]:
    return {
        "contents": verdict.content_items,
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


def _as_text(verdict: VerificationResult) -> str:
    summary = f"{verdict.content_items} contents, drift {verdict.drift}"
    return "\n".join([summary, *(_line(cell) for cell in verdict.drifted)])


def _line(cell: CellProof) -> str:
    cell_name = f"{cell.content.type}:{cell.content.id} {cell.cell}"
    return f"  {cell_name}: counted {cell.counted} + pending {cell.pending} != ledger {cell.ledger}"


async def repair(settings: Settings, *, dry_run: bool, restored: bool) -> None:
    """Mend what is off, and say what was done."""
    async with open_database(settings) as (database, clock):
        if restored and not dry_run:
            raised = await database.proof.reset_after_restore()
            typer.echo(f"{raised} versions raised; markers and send times forgotten")
        repaired = await repairs.repair(
            database.proof, clock, actor="sharetally repair", on_repaired=_print_correction, dry_run=dry_run
        )
    typer.echo(f"{repaired} cells {'would be ' if dry_run else ''}mended")


def _print_correction(cell: CellProof, amount: int) -> None:
    typer.echo(f"{_line(cell)}; {amount:+d}")
