"""Rows as the benchmark reports them, made up for tests."""

from __future__ import annotations

from typing import Any

from bench.harness import BenchHarness
from bench.report import entry
from bench.row import Measurement, Outcome, Row, Target


async def never_measured(_: BenchHarness) -> Measurement:
    """No test measures."""
    raise AssertionError


def row(name: str = "fast", *, target: Target | None = None, order: int = 1, full: bool = False) -> Row:
    """A row."""
    return Row(
        name=name, order=order, ours="ours & more", reference="theirs", unit="requests/s", measure=never_measured,
        target=target, full=full,
    )  # fmt: skip


def measured(ours: tuple[float, ...], theirs: tuple[float, ...], target: Target | None = None) -> Outcome:
    """A row that was measured."""
    return Outcome(row=row(target=target), measured=Measurement(ours=ours, theirs=theirs, notes=("noted",)))


def failed(reason: str) -> dict[str, Any]:
    """A row that failed."""
    return entry(Outcome(row=row("broken"), measured=None, failed=reason))
