"""What a database file provides: connections in three states.

`in_transaction` is the frame of every transaction: left normally it commits, by any error it rolls back.
InnoDB undoes only the last statement when a lock is not had in time, so nothing less would do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress

from sharetally.adapters.databases.connection import Connection, Dialect
from sharetally.domain.errors import CommitOutcomeUnknown, DataRejected, SharetallyError, TransientConflict, Unavailable


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
    """Nobody runs a read again by himself: one that waits too long for a lock passes, and is told so."""
    try:
        yield
    except TransientConflict as error:
        raise Unavailable("the database is busy") from error


@asynccontextmanager
async def in_transaction(connection: Connection, begin: str) -> AsyncIterator[None]:
    """Begin, and commit or roll back.

    A COMMIT that nobody answered raises `CommitOutcomeUnknown`, whatever class of error the driver has for that: a batch whose
    COMMIT may have arrived must not run again unseen.
    """
    try:
        await connection.driver.execute(begin)  # in here, for one that is cancelled may have begun
        yield
    except BaseException:
        with suppress(Exception):  # without a connection there is no transaction either
            await connection.driver.execute("ROLLBACK")
        raise
    try:
        await connection.driver.execute("COMMIT")
    except (TransientConflict, DataRejected):  # the database itself said that it rolled back
        raise
    except Exception as error:
        detail = error.detail if isinstance(error, SharetallyError) else "the database driver failed in COMMIT"
        raise CommitOutcomeUnknown(detail) from error
