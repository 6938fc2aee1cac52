"""A database driver that fails with an undocumented exception, as libraries do while a connection is closing."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from sharetally.adapters.databases.connection import Connection, in_transaction
from sharetally.adapters.databases.postgresql import PostgresqlDriver
from sharetally.domain.errors import CommitOutcomeUnknown, DataRejected, SharetallyError, TransientConflict, Unavailable

pytestmark = pytest.mark.anyio


class FailingDriver:
    """Fails at COMMIT with this exception; everything else works."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    async def execute(self, sql: str, _: Sequence[object] = ()) -> int:
        if sql == "COMMIT":
            raise self._fault
        return 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RuntimeError("unable to perform operation on <TCPTransport closed=True>"), CommitOutcomeUnknown),
        (Exception(), CommitOutcomeUnknown),
        (Unavailable(), CommitOutcomeUnknown),
        (TransientConflict("40001"), TransientConflict),
        (DataRejected("23514"), DataRejected),
    ],
    ids=repr,
)
async def test_a_commit_that_fails_in_any_other_way_may_have_arrived(
    fault: Exception, told: type[SharetallyError]
) -> None:
    """Otherwise its batch would be retried unnoticed and stored twice."""
    connection = cast(Connection, SimpleNamespace(driver=FailingDriver(fault)))
    with pytest.raises(told):
        async with in_transaction(connection, "BEGIN"):
            pass


async def test_a_connection_that_failed_unexpectedly_is_not_reused() -> None:
    async def fails(*_: object, **__: object) -> None:
        raise KeyError("a library's own")

    driver = PostgresqlDriver(SimpleNamespace(fetch=fails), 1.0)
    with pytest.raises(KeyError):
        await driver.fetch("SELECT 1", ())
    with pytest.raises(Unavailable):
        await driver.fetch("SELECT 1", ())
