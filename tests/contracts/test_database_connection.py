"""A database that is away, closed, or goes away in the middle: `Unavailable`, and the next call finds it again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from sharetally.adapters.databases.store import SqlDatabase, database
from sharetally.domain.count import fold
from sharetally.domain.errors import CommitUnknown, Misconfigured, RunAgain, Unavailable
from sharetally.ports import References, Transaction, Writes
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    VIDEO,
    again,
    created,
    emptied,
    entry,
    number,
    of_records,
    opened,
    record,
    run,
    share,
    shared_url,
    write,
)
from tests.oracle.tables import open_tables
from tests.services.proxy import Way, open_proxy

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)

WHO = {"postgresql": "SELECT pg_backend_pid() AS n", "mysql": "SELECT CONNECTION_ID() AS n"}
KILL = {"postgresql": "SELECT pg_terminate_backend(:n)", "mysql": "KILL :n"}
SHORT = {"postgresql": "SET LOCAL lock_timeout = '50ms'", "mysql": "SET innodb_lock_wait_timeout = 1"}
HOLD = {
    "postgresql": ("BEGIN", "LOCK TABLE share_totals IN ACCESS EXCLUSIVE MODE"),
    "mysql": ("LOCK TABLES share_totals WRITE",),
}
HURRY = {"postgresql": "SET LOCAL statement_timeout = '50ms'", "mysql": "SET max_statement_time = 0.05"}
BUSY = {
    "postgresql": "SELECT pg_sleep(20)",
    "mysql": "SELECT SUM(a.seq * b.seq) AS n FROM seq_1_to_9999 a, seq_1_to_9999 b",
}
LONG = {"postgresql": "SELECT pg_sleep(20)", "mysql": "SELECT SLEEP(20)"}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def kill(db: SqlDatabase, kind: str, connection: int) -> None:
    await run(db, KILL[kind], n=connection)


async def own_number(tx: Transaction, kind: str) -> int:
    (row,) = await tx.execute(WHO[kind], {})
    value = row["n"]
    assert isinstance(value, int)
    return value


async def records(db: SqlDatabase) -> int:
    return await number(db, "SELECT count(*) AS n FROM share_records")


# away from the start


@pytest.mark.parametrize("scheme", SERVERS)
async def test_nobody_answers(scheme: str, nobody: int) -> None:
    with pytest.raises(Unavailable):
        await database(f"{scheme}://sharetally@127.0.0.1:{nobody}/sharetally").open()


@on_servers
async def test_there_is_no_such_database(url: str) -> None:
    with pytest.raises(Unavailable):
        await database(f"{url}_and_not").open()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"path": "/sharetally_and_not"}, "there is no such database"),
        ({"netloc": "sharetally_and_not:wrong@{host}"}, "wrong user or password"),
        ({"netloc": "sharetally@127.0.0.1:{nobody}", "query": ""}, "nothing answers there, or TLS fails"),
    ],
)
async def test_mysql_says_what_it_refuses(mysql_url: str, nobody: int, changed: dict[str, str], said: str) -> None:
    there = urlsplit(mysql_url)
    host = there.netloc.rpartition("@")[2]
    parts = {name: text.format(host=host, nobody=nobody) for name, text in changed.items()}
    with pytest.raises(Unavailable, match=f"MySQL does not let us in: {said}$"):
        await database(urlunsplit(there._replace(**parts))).open()


async def test_there_is_no_such_folder(tmp_path: Path) -> None:
    db = database(f"sqlite:///{tmp_path}/missing/sharetally.db")
    with pytest.raises(Unavailable):
        await db.open()
    await db.close()


@pytest.mark.parametrize("url", ["oracle://x/y", "http://x", "x", "mysql://root@localhost", "mysql://root@localhost/"])
def test_a_url_that_names_no_database(url: str) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        database(url)


# closed


async def test_closing_again_is_fine(db: SqlDatabase) -> None:
    await db.close()
    await db.close()


async def test_who_closed_it_hears_so(db: SqlDatabase) -> None:
    await db.close()
    with pytest.raises(Unavailable):
        await db.now()
    with pytest.raises(Unavailable):
        await write(db, Writes(new_records=of_records(record())))
    with pytest.raises(Unavailable):
        await db.verify(None, lambda _: None)


# gone in the middle


@on_servers
@pytest.mark.parametrize("at", ["lock", "write", "take", "execute"])
async def test_a_connection_that_dies_in_a_transaction(db: SqlDatabase, url: str, at: str) -> None:
    kind = url.split(":")[0]

    async def dies() -> None:
        async with db.transaction() as tx:
            await tx.write(Writes(new_records=of_records(record())))
            await kill(db, kind, await own_number(tx, kind))
            steps: dict[str, Callable[[], Awaitable[object]]] = {
                "lock": lambda: tx.lock(References(records=frozenset({record().key}))),
                "write": lambda: tx.write(Writes(new_records=of_records(record(user_id="berta")))),
                "take": lambda: tx.take([record().id]),
                "execute": lambda: tx.execute("SELECT 1 AS n", {}),
            }
            await steps[at]()

    with pytest.raises(Unavailable):
        await dies()
    assert await records(db) == 0
    await write(db, Writes(new_records=of_records(record())))
    assert await records(db) == 1


@on_servers
async def test_a_connection_that_dies_before_the_commit(db: SqlDatabase, url: str) -> None:
    kind, line = url.split(":")[0], entry()

    async def dies() -> None:
        async with db.transaction() as tx:
            await tx.write(Writes(new_records=of_records(record()), audit=[line]))
            await kill(db, kind, await own_number(tx, kind))

    with pytest.raises(CommitUnknown):
        await dies()
    assert not await db.committed([line.id])
    assert await records(db) == 0


@on_servers
async def test_connections_that_die_while_nobody_uses_them(db: SqlDatabase, url: str) -> None:
    """At the most, those calls fail that were given a connection before its end was known."""
    kind = url.split(":")[0]
    met, numbers = asyncio.Barrier(4), set[int]()

    async def uses() -> None:
        async with db.transaction() as tx:
            numbers.add(await own_number(tx, kind))
            await met.wait()

    await asyncio.gather(*(uses() for _ in range(4)))
    async with opened(url) as other:
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
async def test_whoever_waits_for_a_connection_in_vain_hears_so(
    db: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, done = asyncio.Barrier(11), asyncio.Event()

    async def keeps() -> None:
        async with db.transaction() as tx:
            await tx.execute("SELECT 1 AS n", {})
            await taken.wait()
            await done.wait()

    keeping = asyncio.gather(*(keeps() for _ in range(10)))
    await taken.wait()
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.ACQUIRE_SECONDS", 0.2)
    with pytest.raises(Unavailable):
        await db.now()
    monkeypatch.undo()
    done.set()
    await keeping
    await db.now()


@on_servers
async def test_whoever_waits_too_long_for_a_lock_runs_again(db: SqlDatabase, url: str) -> None:
    made, kind = record(), url.split(":")[0]
    await write(db, Writes(new_records=of_records(made)))

    async def waits() -> None:
        async with db.transaction() as tx:
            await tx.execute(SHORT[kind], {})
            await tx.lock(References(records=frozenset({made.key})))

    async with db.transaction() as tx:
        await tx.lock(References(records=frozenset({made.key})))
        with pytest.raises(RunAgain):
            await waits()


@on_servers
async def test_a_read_that_waits_too_long_for_a_lock_is_told_that_it_passes(db: SqlDatabase, url: str) -> None:
    await share(db, record())
    async with open_tables(url) as other:
        await other.run(*HOLD[url.split(":")[0]])
        readings = (db.counts([VIDEO]), db.verify(VIDEO, lambda _: None))
        told = await asyncio.gather(*readings, return_exceptions=True)
        assert [type(each) for each in told] == [Unavailable, Unavailable], told
    assert (await db.verify(VIDEO, lambda _: None)).drift == 0


@on_servers
async def test_whoever_the_server_gives_no_more_time_hears_that_it_passes(db: SqlDatabase, url: str) -> None:
    """As an operator may set it; nothing is wrong with what was asked."""
    kind = url.split(":")[0]

    async def takes_too_long() -> None:
        async with db.transaction() as tx:
            await tx.execute(HURRY[kind], {})
            await tx.execute(BUSY[kind], {})

    with pytest.raises(Unavailable):
        await takes_too_long()


@on_servers
async def test_an_answer_that_never_comes_is_not_waited_for(
    db: SqlDatabase, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.ANSWER_SECONDS", 1.0)
    async with opened(url) as impatient:
        with pytest.raises(Unavailable):
            await run(impatient, LONG[url.split(":")[0]])
        assert await records(impatient) == 0


@on_servers
async def test_whoever_vanishes_in_a_transaction_holds_nobody_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lost its power or its line tells nobody; its locks would stay for hours."""
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.IDLE_SECONDS", 1)
    changes = fold([created(record())])

    async def counts(db: SqlDatabase) -> None:
        async with db.transaction() as tx:
            await tx.move(changes)

    async def vanishes(db: SqlDatabase) -> None:
        async with db.transaction() as tx:
            await tx.move(changes)
            await again(lambda: counts(other))
            await tx.move(changes)

    async with emptied(url) as vanished, opened(url) as other:
        with pytest.raises(Unavailable):
            await vanishes(vanished)
        await counts(vanished)
        assert (await other.counts([VIDEO]))[0].shares == 2


@on_servers
async def test_a_line_that_went_dead_is_waited_for_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for the statement, its end, the transaction's end and the connection's, one after another."""
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.ANSWER_SECONDS", 2.0)
    async with emptied(url), open_proxy(url) as proxy, opened(proxy.url) as db:
        await db.now()
        proxy.stall()
        with pytest.raises(Unavailable):
            async with asyncio.timeout(3.9):
                await write(db, Writes(new_records=of_records(record())))


@on_servers
async def test_a_look_at_everything_has_the_time_that_it_takes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a ledger of millions it takes longer than any other answer may."""
    async with emptied(url) as near:
        await share(near, record())
    for module in ("mysql", "postgresql"):
        monkeypatch.setattr(f"sharetally.adapters.databases.{module}.ANSWER_SECONDS", 0.5)
    async with open_proxy(url) as proxy, opened(proxy.url) as db:
        await db.now()
        proxy.throttle(5_000, Way.TO_SERVER)  # such a statement has 6 KB
        with pytest.raises(Unavailable):
            await db.verify(VIDEO, lambda _: None)
        assert (await db.verify(None, lambda _: None)).contents == 1
