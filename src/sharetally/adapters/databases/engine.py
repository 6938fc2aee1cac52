"""What each of `sqlite.py`, `postgresql.py` and `mysql.py` provides: connections for reading, writing and snapshots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Dialect
from sharetally.domain.errors import TransientConflict, Unavailable


class Engine(ABC):
    """One database, opened by URL."""

    dialect: Dialect
    allows_long_snapshots = True  # whether a long snapshot costs nothing; where it does, contents go in ranges

    @abstractmethod
    async def open(self) -> None:
        """Connect; `Unavailable` when nobody answers."""

    @abstractmethod
    async def close(self) -> None:
        """Give every connection back; repeating is fine."""

    @abstractmethod
    def read_connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for single SELECTs; one that somebody's lock holds up for long is `Unavailable`."""

    @abstractmethod
    def write_transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction at READ COMMITTED; committed on leaving, rolled back by an error."""

    @abstractmethod
    def snapshot(self, *, long: bool = False) -> AbstractAsyncContextManager[Connection]:
        """One view of everything for as long as the block lasts; a `long` one may take hours over its answers."""


@contextmanager
def conflicts_as_unavailable() -> Iterator[None]:
    """A read is not tried again: one that waits too long for a lock ends as `Unavailable`."""
    try:
        yield
    except TransientConflict as error:
        raise Unavailable("the database is busy") from error
