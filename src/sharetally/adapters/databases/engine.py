"""What each of `sqlite.py`, `postgresql.py` and `mysql.py` provides: connections for reading, writing and snapshots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Dialect
from sharetally.domain.errors import TransientConflict, Unavailable


class Engine(ABC):
    """One database, opened by URL."""

    dialect: Dialect
    durable_settings: Mapping[str, tuple[str, frozenset[str]]]  # name -> how it is read, values that lose no commit
    allows_long_snapshots = True  # if not, content items are verified in ranges, each in a short snapshot

    @abstractmethod
    async def open(self) -> None:
        """Connect; `Unavailable` if the server does not answer."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection; a repeated call does nothing."""

    @abstractmethod
    def read_connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for single SELECTs; `Unavailable` if one waits too long for a lock."""

    @abstractmethod
    def write_transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction at READ COMMITTED, which is committed when the block ends and rolled back after an error."""

    @abstractmethod
    def snapshot(self, *, long: bool = False) -> AbstractAsyncContextManager[Connection]:
        """One view of everything while the block lasts; the statements of a `long` one may take hours."""


class PooledEngine(Engine):
    """A server with a pool of connections."""

    @abstractmethod
    def connect(self, *, long: bool = False) -> AbstractAsyncContextManager[Connection]:
        """A connection outside any transaction: each statement is its own; those of a `long` one may take hours."""

    @asynccontextmanager
    async def read_connection(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A connection for single SELECTs."""
        with conflicts_as_unavailable():
            async with self.connect(long=long) as connection:
                yield connection


@contextmanager
def conflicts_as_unavailable() -> Iterator[None]:
    """For what nobody repeats after a conflict, such as a read: waiting too long for a lock is `Unavailable`."""
    try:
        yield
    except TransientConflict as error:
        raise Unavailable("the database is busy") from error
