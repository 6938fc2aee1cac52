"""What each database contributes: a driver, which talks to it, and a dialect, which writes its SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

Row = Mapping[str, Any]
Values = tuple[object, ...]


class RowBatch(NamedTuple):
    """Rows for one table: tuples in the order of the columns, with values as the driver takes them."""

    table: sa.Table
    columns: tuple[str, ...]
    rows: Sequence[Values]


class Driver(Protocol):
    """One open connection. Every method raises only errors of `domain.errors`."""

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        ...

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """Run one of the statements of `Dialect.inserts`."""
        ...

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run the statement of `Dialect.upsert` or `Dialect.update` for all rows."""
        ...

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Run the statement of `Dialect.select` for these keys."""
        ...


class Dialect(Protocol):
    """The SQL of one database, where the databases differ."""

    @property
    def sa_dialect(self) -> sa.Dialect:
        """Compiles SQLAlchemy statements and converts values."""
        ...

    def counting(self, *, each_event: bool) -> str | None:
        """One statement that does all of the counting, given ids and job names; None if the database has none.

        With `each_event` it also returns the counted events and the new totals.
        """
        ...

    def inserts(self, batches: Sequence[RowBatch]) -> Sequence[tuple[str, Sequence[Any]]]:
        """As few INSERTs as possible for these rows, in their order, each with the values for `Driver.insert`."""
        ...

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """INSERT that updates a row whose primary key exists.

        `sets` maps columns to expressions in which `{x}` is the new value of column x and `{t}` the table.
        """
        ...

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE of many rows by one key; each row contains the values of the columns and then the key."""
        ...

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """SELECT of the rows with `count` sorted keys; with `lock`, it locks them in the order of the keys."""
        ...
