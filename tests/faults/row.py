"""A row of the table: what goes wrong, and on which databases it is tried. Each file in `rows/` is a row.

Its file defines `ROW` and needs no registration. `perform` gets a stage, opens a system on it, loads it and breaks
something; it asserts that this really broke. What must be true afterwards is checked by the judge.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults import rows

if TYPE_CHECKING:
    from tests.faults.harness import FaultHarness

SERVERS = ("postgresql", "mysql")  # with RabbitMQ between; `mysql` is MariaDB or MySQL
ALL = ("sqlite", *SERVERS)  # SQLite with everything in one process
SHARES, POSTS = CHAPTERS = ("shares", "posts")
ROW_TIMEOUT = 420.0  # seconds for one row on one database, and then it has failed


@dataclass(frozen=True, kw_only=True)
class Row:
    """`number` as in the table, `title` what goes wrong in a few words, `databases` the databases that it is tried on.

    `timeout` in seconds; `brief` is the database on which a short performance is among the tests that always run.
    `chapter` is the part of the page on reliability in which its last run stands.
    """

    number: int
    title: str
    databases: tuple[str, ...]
    perform: Callable[[FaultHarness], Awaitable[None]]
    timeout: float = ROW_TIMEOUT
    brief: str | None = None
    chapter: str = SHARES

    @property
    def description(self) -> str:
        """What it does and what it proves: the text at the top of its file."""
        return (sys.modules[self.perform.__module__].__doc__ or "").strip()


def discover_rows() -> dict[int, Row]:
    """Every row there is, in order of their numbers."""
    modules = [importlib.import_module(f"{rows.__name__}.{each.name}") for each in pkgutil.iter_modules(rows.__path__)]
    every: list[Row] = sorted((module.ROW for module in modules), key=lambda row: row.number)
    table = {row.number: row for row in every}
    assert len(table) == len(every), "two rows have one number"
    return table
