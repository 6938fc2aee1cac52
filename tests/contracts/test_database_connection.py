"""A database that is unavailable, closed or lost in the middle: `Unavailable`, and the next call reconnects."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase, database_from_url
from sharetally.domain.count import fold
from sharetally.domain.errors import CommitOutcomeUnknown, ConfigurationError, TransientConflict, Unavailable
from sharetally.ports import LockSet, Transaction, Writes
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    VIDEO,
    audit_entry,
    created_event,
    database_url_for,
    execute_sql,
    insert_shares,
    open_database,
    open_empty_database,
    query_int,
    record,
    records_by_key,
    retry_transient,
    write_rows,
)
from tests.oracle.tables import open_tables
from tests.services.proxy import Direction, open_proxy

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)

CONNECTION_ID = {"postgresql": "SELECT pg_backend_pid() AS n", "mysql": "SELECT CONNECTION_ID() AS n"}
KILL = {"postgresql": "SELECT pg_terminate_backend(:n)", "mysql": "KILL :n"}
SHORT = {"postgresql": "SET LOCAL lock_timeout = '50ms'", "mysql": "SET innodb_lock_wait_timeout = 1"}
HOLD = {
    "postgresql": ("BEGIN", "LOCK TABLE share_totals IN ACCESS EXCLUSIVE MODE"),
    "mysql": ("LOCK TABLES share_totals WRITE",),
}
SHORT_TIMEOUT = {"postgresql": "SET LOCAL statement_timeout = '50ms'", "mysql": "SET max_statement_time = 0.05"}
BUSY = {
    "postgresql": "SELECT pg_sleep(20)",
    "mysql": "SELECT SUM(a.seq * b.seq) AS n FROM seq_1_to_9999 a, seq_1_to_9999 b",
}
LONG = {"postgresql": "SELECT pg_sleep(20)", "mysql": "SELECT SLEEP(20)"}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, so that nothing else gets it, and on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def kill(db: SqlDatabase, kind: str, connection: int) -> None:
    await execute_sql(db, KILL[kind], n=connection)


async def connection_id(tx: Transaction, kind: str) -> int:
    (row,) = await tx.execute(CONNECTION_ID[kind], {})
    value = row["n"]
    assert isinstance(value, int)
    return value


async def records(db: SqlDatabase) -> int:
    return await query_int(db, "SELECT count(*) AS n FROM share_records")


# unavailable from the start


@pytest.mark.parametrize("scheme", SERVERS)
async def test_an_unreachable_server_is_unavailable(scheme: str, closed_port: int) -> None:
    with pytest.raises(Unavailable):
        await database_from_url(f"{scheme}://sharetally@127.0.0.1:{closed_port}/sharetally").open()


@on_servers
async def test_a_missing_database_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        await database_from_url(f"{url}_and_not").open()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"path": "/sharetally_and_not"}, "there is no such database"),
        ({"netloc": "sharetally_and_not:wrong@{host}"}, "wrong user or password"),
        ({"netloc": "sharetally@127.0.0.1:{nobody}", "query": ""}, "nothing answers there, or TLS fails"),
    ],
)
async def test_an_unsuitable_mysql_setting_is_named(
    mysql_url: str, closed_port: int, changed: dict[str, str], said: str
) -> None:
    there = urlsplit(mysql_url)
    host = there.netloc.rpartition("@")[2]
    parts = {name: text.format(host=host, nobody=closed_port) for name, text in changed.items()}
    with pytest.raises(Unavailable, match=f"MySQL does not let us in: {said}$"):
        await database_from_url(urlunsplit(there._replace(**parts))).open()


async def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    db = database_from_url(f"sqlite:///{tmp_path}/missing/sharetally.db")
    with pytest.raises(Unavailable):
        await db.open()
    await db.close()


@pytest.mark.parametrize("url", ["oracle://x/y", "http://x", "x", "mysql://root@localhost", "mysql://root@localhost/"])
def test_a_url_that_names_no_database(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        database_from_url(url)


# closed


async def test_closing_twice_is_harmless(db: SqlDatabase) -> None:
    await db.close()
    await db.close()


async def test_a_closed_database_refuses_calls(db: SqlDatabase) -> None:
    await db.close()
    with pytest.raises(Unavailable):
        await db.events.now()
    with pytest.raises(Unavailable):
        await write_rows(db, Writes(new_records=records_by_key(record())))
    with pytest.raises(Unavailable):
        await db.proof.verify(None, lambda _: None)


# lost in the middle


@on_servers
@pytest.mark.parametrize("at", ["lock", "write", "take", "execute"])
async def test_a_connection_that_dies_in_a_transaction(db: SqlDatabase, url: str, at: str) -> None:
    kind = url.split(":")[0]

    async def dies() -> None:
        async with db.transaction() as tx:
            await tx.write(Writes(new_records=records_by_key(record())))
            await kill(db, kind, await connection_id(tx, kind))
            steps: dict[str, Callable[[], Awaitable[object]]] = {
                "lock": lambda: tx.lock(LockSet(records=frozenset({record().key}))),
                "write": lambda: tx.write(Writes(new_records=records_by_key(record(user_id="berta")))),
                "take": lambda: tx.take([record().id]),
                "execute": lambda: tx.execute("SELECT 1 AS n", {}),
            }
            await steps[at]()

    with pytest.raises(Unavailable):
        await dies()
    assert await records(db) == 0
    await write_rows(db, Writes(new_records=records_by_key(record())))
    assert await records(db) == 1


@on_servers
async def test_a_connection_that_dies_before_the_commit(db: SqlDatabase, url: str) -> None:
    kind, line = url.split(":")[0], audit_entry()

    async def dies() -> None:
        async with db.transaction() as tx:
            await tx.write(Writes(new_records=records_by_key(record()), audit=[line]))
            await kill(db, kind, await connection_id(tx, kind))

    with pytest.raises(CommitOutcomeUnknown):
        await dies()
    assert not await db.committed([line.id])
    assert await records(db) == 0


@on_servers
async def test_idle_connections_that_died_are_replaced(db: SqlDatabase, url: str) -> None:
    """Only calls may fail that got a connection before it was known to be lost."""
    kind = url.split(":")[0]
    met, numbers = asyncio.Barrier(4), set[int]()

    async def uses() -> None:
        async with db.transaction() as tx:
            numbers.add(await connection_id(tx, kind))
            await met.wait()

    await asyncio.gather(*(uses() for _ in range(4)))
    async with open_database(url) as other:
        for each in numbers:
            await kill(other, kind, each)
    fails = 0
    while fails < 5:
        try:
            assert await records(db) == 0
            break
        except Unavailable:
            fails += 1
    assert fails < 5


@on_servers
async def test_waiting_for_a_connection_times_out(db: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, done = asyncio.Barrier(11), asyncio.Event()

    async def keeps() -> None:
        async with db.transaction() as tx:
            await tx.execute("SELECT 1 AS n", {})
            await taken.wait()
            await done.wait()

    keeping = asyncio.gather(*(keeps() for _ in range(10)))
    await taken.wait()
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.ACQUIRE_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(Unavailable):
        await db.events.now()
    monkeypatch.undo()
    done.set()
    await keeping
    await db.events.now()


@on_servers
async def test_a_lock_timeout_is_retried(db: SqlDatabase, url: str) -> None:
    made, kind = record(), url.split(":")[0]
    await write_rows(db, Writes(new_records=records_by_key(made)))

    async def waits() -> None:
        async with db.transaction() as tx:
            await tx.execute(SHORT[kind], {})
            await tx.lock(LockSet(records=frozenset({made.key})))

    async with db.transaction() as tx:
        await tx.lock(LockSet(records=frozenset({made.key})))
        with pytest.raises(TransientConflict):
            await waits()


@on_servers
async def test_a_lock_timeout_of_a_read_is_transient(db: SqlDatabase, url: str) -> None:
    await insert_shares(db, record())
    async with open_tables(url) as other:
        await other.run(*HOLD[url.split(":")[0]])
        readings = (db.counts.stored([VIDEO]), db.proof.verify(VIDEO, lambda _: None))
        told = await asyncio.gather(*readings, return_exceptions=True)
        assert [type(each) for each in told] == [Unavailable, Unavailable], told
    assert (await db.proof.verify(VIDEO, lambda _: None)).drift == 0


@on_servers
async def test_a_statement_timeout_is_transient(db: SqlDatabase, url: str) -> None:
    """As an operator may set it; the statement itself is correct."""
    kind = url.split(":")[0]

    async def takes_too_long() -> None:
        async with db.transaction() as tx:
            await tx.execute(SHORT_TIMEOUT[kind], {})
            await tx.execute(BUSY[kind], {})

    with pytest.raises(Unavailable):
        await takes_too_long()


@on_servers
async def test_a_reply_that_never_comes_times_out(db: SqlDatabase, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.STATEMENT_TIMEOUT_SECONDS", 1.0)
    async with open_database(url) as impatient:
        with pytest.raises(Unavailable):
            await execute_sql(impatient, LONG[url.split(":")[0]])
        assert await records(impatient) == 0


@on_servers
async def test_an_abandoned_transaction_releases_its_locks(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that loses power or network closes no connection; its locks would be held for hours."""
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.IDLE_TIMEOUT_SECONDS", 1)
    changes = fold([created_event(record())])

    async def counts(db: SqlDatabase) -> None:
        async with db.transaction() as tx:
            await tx.move(changes)

    async def vanishes(db: SqlDatabase) -> None:
        async with db.transaction() as tx:
            await tx.move(changes)
            await retry_transient(lambda: counts(other))
            await tx.move(changes)

    async with open_empty_database(url) as vanished, open_database(url) as other:
        with pytest.raises(Unavailable):
            await vanishes(vanished)
        await counts(vanished)
        assert (await other.counts.stored([VIDEO]))[0].shares == 2


@on_servers
async def test_a_dead_connection_is_waited_for_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time must not add up for the statement, its end, the transaction's end and the connection's."""
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.STATEMENT_TIMEOUT_SECONDS", 2.0)
    async with open_empty_database(url), open_proxy(url) as proxy, open_database(proxy.url) as db:
        await db.events.now()
        proxy.stall()
        with pytest.raises(Unavailable):
            async with asyncio.timeout(3.9):
                await write_rows(db, Writes(new_records=records_by_key(record())))


@on_servers
async def test_a_full_verification_has_no_time_limit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a ledger of millions of rows it takes longer than any other query may."""
    async with open_empty_database(url) as near:
        await insert_shares(near, record())
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.STATEMENT_TIMEOUT_SECONDS", 0.5)
    async with open_proxy(url) as proxy, open_database(proxy.url) as db:
        await db.events.now()
        proxy.throttle(5_000, Direction.TO_SERVER)  # such a statement has 6 KB
        with pytest.raises(Unavailable):
            await db.proof.verify(VIDEO, lambda _: None)
        assert (await db.proof.verify(None, lambda _: None)).content_items == 1
