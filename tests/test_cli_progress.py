"""The progress of a verification on a terminal: a line that is updated, even before any progress is known."""

from __future__ import annotations

import asyncio
import sys

import pytest

from sharetally.commands import proof

pytestmark = pytest.mark.anyio


async def seen(capsys: pytest.CaptureFixture[str], *wanted: str) -> str:
    """All that was written, once it holds what is wanted."""
    found = ""
    async with asyncio.timeout(10):
        while not all(each in found for each in wanted):
            await asyncio.sleep(0)
            found += capsys.readouterr().err
    return found


async def test_the_line_moves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(proof, "PROGRESS_SECONDS", 0.001)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    async with proof.show_progress() as progress:
        await seen(capsys, "\rchecking all content items in one snapshot, 0 s")
        progress(2_000)
        await seen(capsys, "\r2000 content items checked, 0 s")
    assert capsys.readouterr().err.endswith("\n")


async def test_no_progress_is_written_to_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proof, "PROGRESS_SECONDS", 0.0)
    async with proof.show_progress() as progress:
        progress(2_000)
        await asyncio.sleep(0)
    assert capsys.readouterr().err == ""
