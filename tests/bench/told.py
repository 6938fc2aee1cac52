"""Rows as the benchmark tells of them, made up for tests."""

from __future__ import annotations

from typing import Any

from bench.report import entry
from bench.row import Measured, Outcome, Row, Target
from bench.stage import Stage


async def never(_: Stage) -> Measured:
    """No test measures."""
    raise AssertionError


def row(name: str = "fast", *, target: Target | None = None, order: int = 1, full: bool = False) -> Row:
    """A row."""
    return Row(
        name=name, order=order, ours="ours & more", reference="theirs", unit="requests/s", measure=never,
        target=target, full=full,
    )  # fmt: skip


def measured(ours: tuple[float, ...], theirs: tuple[float, ...], target: Target | None = None) -> Outcome:
    """A row that was measured."""
    return Outcome(row=row(target=target), measured=Measured(ours=ours, theirs=theirs, notes=("noted",)))


def failed(reason: str) -> dict[str, Any]:
    """A row that failed."""
    return entry(Outcome(row=row("broken"), measured=None, failed=reason))
