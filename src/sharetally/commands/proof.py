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

from sharetally.commands.opened import opened
from sharetally.domain.content import ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, SharetallyError
from sharetally.domain.proof import CellProof, Verdict
from sharetally.flow import proving
from sharetally.ports import Database
from sharetally.settings import Settings

DRIFT = 1
COULD_NOT = 2
TELL_SECONDS = 1.0


async def verify(settings: Settings, *, as_json: bool, content: str, every: float) -> int:
    """Look once, or keep looking; 0 no drift, 1 drift, 2 could not look."""
    wanted = _content(content) if content else None
    try:
        async with opened(settings) as (store, _):
            if every:
                return await _watch(settings, store, wanted, as_json, every)
            return await _look(store, wanted, as_json)
    except SharetallyError as error:
        typer.echo(f"sharetally: cannot look: {error.detail}", err=True)
        return COULD_NOT


def _content(text: str) -> ContentRef:
    kind, colon, name = text.partition(":")
    fault = "must be TYPE:ID" if not colon else content_type_fault(kind) or id_fault(name)
    if fault:
        raise InvalidRequest(("--content", fault))
    return ContentRef(type=kind, id=name)


async def _look(store: Database, wanted: ContentRef | None, as_json: bool) -> int:
    began = time.monotonic()
    async with telling() as progress:
        verdict = await store.verify(wanted, progress)
    await _note(store, wanted, verdict, time.monotonic() - began)
    typer.echo(json.dumps(_as_json(verdict)) if as_json else _as_text(verdict))
    return DRIFT if verdict.drifted else 0


async def _note(store: Database, wanted: ContentRef | None, verdict: Verdict, seconds: float) -> None:
    """A look at everything is what the console shows; who may only read looks all the same."""
    if wanted is None:
        with suppress(SharetallyError):
            await store.note_look(verdict, seconds)


@asynccontextmanager
async def telling() -> AsyncIterator[Callable[[int], None]]:
    """On a terminal, a line that moves every second: also while one statement looks at everything."""
    looked, began = 0, time.monotonic()

    def progress(contents: int) -> None:
        nonlocal looked
        looked = contents

    async def tell() -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            typer.echo(_progress_line(looked, time.monotonic() - began), err=True, nl=False)

    teller = asyncio.create_task(tell()) if sys.stderr.isatty() else None
    try:
        yield progress
    finally:
        if teller is not None:
            teller.cancel()
            typer.echo("", err=True)


def _progress_line(contents: int, seconds: float) -> str:
    what = f"{contents} contents looked at" if contents else "looking at all contents in one snapshot"
    return f"\r{what}, {seconds:.0f} s"


async def _watch(settings: Settings, store: Database, wanted: ContentRef | None, as_json: bool, every: float) -> int:
    """Look every so many seconds, and tell the metrics; ends when told to."""
    from sharetally.roles import drift_watch

    async with drift_watch(settings, store) as (meter, stop):
        code = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                verdict = await _unless_stopped(stop, store.verify(wanted, lambda _: None))
            except SharetallyError as error:
                typer.echo(f"sharetally: cannot look: {error.detail}", err=True)
            else:
                if verdict is None:
                    break
                meter.drift(verdict.drift, datetime.now(UTC))
                await _note(store, wanted, verdict, time.monotonic() - began)
                code = max(code, DRIFT if verdict.drifted else 0)
                typer.echo(
                    json.dumps(_as_json(verdict)) if as_json else f"{datetime.now(UTC):%H:%M:%S} {_as_text(verdict)}"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
    return code


async def _unless_stopped(stop: asyncio.Event, looking: Coroutine[Any, Any, Verdict]) -> Verdict | None:
    """What it finds; None if it was time to end first: a look at a large ledger takes minutes."""
    look, stopping = asyncio.create_task(looking), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({look, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return look.result() if look.done() else None
    finally:
        look.cancel()
        stopping.cancel()
        await asyncio.wait({look, stopping})


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
    async with opened(settings) as (store, clock):
        if restored and not dry_run:
            raised = await store.restored()
            typer.echo(f"{raised} versions raised; markers and send times forgotten")
        mended = await proving.repair(store, clock, actor="sharetally repair", told=_told, dry_run=dry_run)
    typer.echo(f"{mended} cells {'would be ' if dry_run else ''}mended")


def _told(cell: CellProof, amount: int) -> None:
    typer.echo(f"{_line(cell)}; {amount:+d}")
