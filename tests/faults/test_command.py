"""`make faults` reads its command line, and runs the rows that it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.runner import SuitePlan
from tests.services import Services


@contextmanager
def no_services() -> Iterator[Services]:
    yield Services(postgresql=None, mysql=None, amqp=None, redis=None, broker=None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--rows", "1,2", "--on", "sqlite"], {(1, "sqlite"), (2, "sqlite")}),
        (["--rows", "1", "--on", "postgresql,mysql"], {(1, "postgresql"), (1, "mysql")}),
    ],
)
def test_the_named_rows_run_on_the_named_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: set[tuple[int, str]]
) -> None:
    planned: set[tuple[int, str]] = set()

    async def run(plan: SuitePlan, asked: object) -> list[object]:
        planned.update((row.number, database) for row, database in plan.pairs)
        return []

    monkeypatch.setattr(command, "open_services", no_services)
    monkeypatch.setattr(command, "_run", run)
    assert command.main([*arguments, "--folder", str(tmp_path / "logs")]) == 0
    assert planned == expected
