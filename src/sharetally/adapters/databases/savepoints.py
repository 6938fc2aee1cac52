"""Parts of a transaction that can fail alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sharetally.adapters.databases.driver import Driver
from sharetally.domain.errors import DataRejected, TransientConflict, Unavailable


@asynccontextmanager
async def savepoint(driver: Driver, name: str) -> AsyncIterator[None]:
    """Undo what the block did if it fails. Nested blocks need different names, because MySQL forgets the outer one.

    If the savepoint is gone, the error is a `TransientConflict`, because the whole transaction must be repeated: InnoDB
    ends it after a deadlock, and what followed would be committed by itself. A cancelled statement of asyncmy ends the
    connection, and the transaction with it.
    """
    await driver.execute(f"SAVEPOINT {name}")
    try:
        yield
        await driver.execute(f"RELEASE SAVEPOINT {name}")  # fails if the block swallowed an error of the database
    except Exception:
        try:
            await driver.execute(f"ROLLBACK TO SAVEPOINT {name}")
        except (DataRejected, Unavailable) as error:
            raise TransientConflict("the transaction ended inside its savepoint") from error
        raise
