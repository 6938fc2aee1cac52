"""MySQL 8, which the tests do not run: what would be sent to it holds nothing that only MariaDB understands.

Schema and session are written for MySQL; every method of the port is called over a fake connection that
writes down what it was to send.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from asyncmy.errors import OperationalError
from sqlalchemy.dialects import mysql as dialects
from sqlalchemy.schema import CreateTable

from sharetally.adapters.databases import mapping, mysql
from sharetally.adapters.databases.connection import Connection, Statements, in_transaction
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mysql_dialect import MysqlDialect
from sharetally.adapters.databases.tables import metadata
from sharetally.adapters.databases.types import Binding
from sharetally.adapters.migrations.runner import print_sql
from sharetally.domain.calendar import build_grid
from sharetally.domain.content_details import ContentDetails
from sharetally.domain.count import fold
from sharetally.domain.delivery import Dead, Delivery, DeliveryState, Done, Retry, Unknown
from sharetally.domain.errors import DataRejected, Unavailable
from sharetally.domain.ids import new_id
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.proof import CellProof, VerificationResult
from sharetally.domain.spending import Charge
from sharetally.ports import (
    ApiKey,
    AuditFilter,
    DueGate,
    GroupBy,
    IdempotencyKey,
    LinkFilter,
    LockSet,
    RollupFilter,
    SignInCode,
    StoredResponse,
    Transaction,
    Writes,
)
from sharetally.ports.accounts import AccountKey, AccountWrite, PendingConnection, TokenWrite
from sharetally.ports.posts import PostFilter
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    VIDEO,
    adjustment,
    audit_entry,
    created_event,
    link,
    links_by_id,
    record,
    records_by_key,
    session,
)
from tests.contracts.delivery_rows import new as new_delivery

pytestmark = pytest.mark.anyio

NOT_MYSQL = {
    "RETURNING": r"\bRETURNING\b",
    "a collation of MariaDB's": r"nopad",
    "a variable of MariaDB's": r"\btx_isolation\b|in_predicate_conversion_threshold|idle_transaction",
    "OR REPLACE of what MySQL cannot": r"CREATE OR REPLACE (TABLE|TRIGGER|INDEX)",
    "IF NOT EXISTS where MySQL has none": r"CREATE (UNIQUE )?INDEX IF NOT EXISTS",
    "a type of MariaDB's": r"\b(UUID|INET4|INET6)\b(?!\()",
    "VALUE(), MariaDB's VALUES()": r"\bVALUE\(",
    "a list of rows without ROW": r"(FROM|JOIN|IN) \(VALUES",
    "FILTER": r"\bFILTER \(",
    "ON CONFLICT": r"\bON CONFLICT\b",
    "IS DISTINCT FROM": r"\bDISTINCT FROM\b",
    "|| which is OR": r"\|\|",
    "a name in double quotes": r'"[a-z_]+"',
    "a placeholder of another driver": r"\?|\$\d",
}
CLOCK = {"now": datetime(2026, 11, 20, 12, tzinfo=UTC).replace(tzinfo=None), "micros": 1}
BACKLOG = {**CLOCK, "pending": 0, "parked": 0, "oldest": None}
NEW_EVENT = mapping.new_events([created_event(record())], Binding.of(MysqlDialect().sa_dialect))
EVENT = {
    **dict(zip(NEW_EVENT.columns, NEW_EVENT.rows[0], strict=True)),
    "id": bytes(16), "at": CLOCK["now"], "share_id": None,
    "sent_at": CLOCK["now"], "created_at": CLOCK["now"], "attempts": 0, "parked_reason": "poison",
}  # fmt: skip
API_KEY = {"id": bytes(16), "revoked_at": None}
OFF = {
    "content_type": "video", "content_id": "abc", "counted": 1, "pending": 0, "ledger": 0,
    "version": 1, "changed_at": CLOCK["now"], "at": None,
}  # fmt: skip
BROKEN: list[Row] = [
    {**OFF, "dimension": name, "value": value}
    for name, value in (("total", ""), ("channel", "x"), ("rollup", "x/link"))
]
WORKER = UUID(int=1)
TARGET = {
    "kind": "hook", "target": "shop", "gate": "hook", "failing": 0, "next_due": CLOCK["now"], "blocked_until": None,
    "in_flight": 0, "max_in_flight": 1, "waiting": 1, "sending": 0, "disabled_at": None,
}  # fmt: skip
DELIVERY = {
    "id": bytes(16), "kind": "hook", "target": "shop", "key": "key", "message_id": bytes(16), "payload": "{}",
    "state": "sending", "worker": WORKER.bytes, "attempts": 1, "due_at": CLOCK["now"], "created_at": CLOCK["now"],
    "scheduled_at": CLOCK["now"], "attempt_stored_at": None, "pauses": 0, "last_error": None, "number": 1,
    "oldest": CLOCK["now"],
}  # fmt: skip
ANSWERS: dict[str, list[Row]] = {
    "delivery_targets.waiting > ": [],  # or `reschedule` would find page after page
    "FROM delivery_targets": [TARGET],
    "FROM deliveries": [DELIVERY],
    "FROM delivery_log": [DELIVERY],
    "FROM messages": [{"id": UUID(int=2).bytes, "payload": "{}"}],
    "AS oldest": [BACKLOG],
    "AS now": [CLOCK],
    "count(*) AS n": [{"n": 0}],
    "AS ledger": BROKEN,
    "SKIP LOCKED": [EVENT],
    "FROM events WHERE `id`": [EVENT],
    "FROM api_keys WHERE `id`": [API_KEY],
    "WHERE idempotency_keys.created_at": [{"caller": "anna", "key": "k"}],
}


def faults(statement: str) -> list[str]:
    """What MySQL would not understand."""
    return [name for name, pattern in NOT_MYSQL.items() if re.search(pattern, statement)]


class FakeDriver:
    """Records the statements that it should send; each query finds an event, a key and a drift, and nothing else."""

    def __init__(self, sent: list[str]) -> None:
        self._sent = sent

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """What the first fitting part of the statement finds."""
        self._note(sql, len(arguments))
        return next((rows for part, rows in ANSWERS.items() if part in sql), [])

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Touches nothing."""
        self._note(sql, len(arguments))
        return 0

    async def insert(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """The rows of one table."""
        await self.execute_many(sql, values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Each row has a value for each placeholder."""
        for row in rows:
            self._note(sql, len(row))

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """The same, by keys."""
        return await self.fetch(sql, [value for key in keys for value in key])

    def _note(self, sql: str, values: int) -> None:
        assert sql.count("%s") == values, sql
        self._sent.append(sql)


class FakeEngine(Engine):
    """MySQL's flavor over a connection that is none."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.dialect = MysqlDialect()
        self._statements = Statements(self.dialect)

    async def open(self) -> None:
        """There is no server to connect to."""

    async def close(self) -> None:
        """Nothing to give back."""

    @asynccontextmanager
    async def read_connection(self) -> AsyncIterator[Connection]:
        """A connection."""
        yield Connection(FakeDriver(self.sent), self._statements)

    def snapshot(self, *, long: bool = False) -> AbstractAsyncContextManager[Connection]:
        """The same."""
        return self.read_connection()

    @asynccontextmanager
    async def write_transaction(self) -> AsyncIterator[Connection]:
        """A transaction."""
        async with self.read_connection() as connection, in_transaction(connection, "START TRANSACTION"):
            yield connection


# what is looked for


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("INSERT INTO t (a) VALUES (%s) RETURNING a", "RETURNING"),
        ("CREATE TABLE t (a INT) COLLATE utf8mb4_nopad_bin", "a collation of MariaDB's"),
        ("CREATE OR REPLACE TRIGGER t", "OR REPLACE of what MySQL cannot"),
        ("CREATE INDEX IF NOT EXISTS i ON t (a)", "IF NOT EXISTS where MySQL has none"),
        ("CREATE TABLE t (a UUID)", "a type of MariaDB's"),
        ("SELECT * FROM t WHERE (a, b) IN (VALUES (%s, %s))", "a list of rows without ROW"),
        ("SELECT count(*) FILTER (WHERE a) FROM t", "FILTER"),
        ("SELECT a || b FROM t", "|| which is OR"),
        ('SELECT "name" FROM t', "a name in double quotes"),
    ],
)
def test_syntax_that_mysql_does_not_understand_is_found(statement: str, fault: str) -> None:
    assert faults(statement) == [fault]


# the schema


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_tables_are_created_in_the_mysql_dialect(table: sa.Table) -> None:
    made = str(CreateTable(table).compile(dialect=dialects.dialect()))
    assert faults(made) == []
    assert "ENGINE=InnoDB" in made
    assert "CHARSET=utf8mb4 COLLATE utf8mb4_0900_bin" in made
    assert not re.search(r"\b(TIMESTAMP|DATETIME)\b(?!\(6\))", made)


def test_the_mysql_script_uses_no_mariadb_syntax() -> None:
    out = io.StringIO()
    print_sql("mysql://host/name", out)
    assert faults(out.getvalue()) == []
    assert out.getvalue().count("COLLATE utf8mb4_0900_bin") == len(metadata.tables)


def test_no_index_is_longer_than_innodb_allows() -> None:
    """3,072 bytes; a character of utf8mb4 may take four."""
    for table in metadata.sorted_tables:
        for keys in (table.primary_key.columns, *(index.columns for index in table.indexes)):
            assert sum(_bytes(column) for column in keys) <= 3_072


def _bytes(column: sa.Column[Any]) -> int:
    length = getattr(column.type, "length", None)
    return 4 * int(length) if length else 16


# the session


@pytest.mark.parametrize(
    ("version", "collation", "isolation"),
    [
        ("8.0.39", "utf8mb4_0900_bin", "transaction_isolation"),
        ("8.4.2-commercial", "utf8mb4_0900_bin", "transaction_isolation"),
        ("10.11.19-MariaDB-0+deb12u1", "utf8mb4_nopad_bin", "tx_isolation"),
        ("5.5.5-10.6.18-MariaDB", "utf8mb4_nopad_bin", "tx_isolation"),
    ],
)
async def test_session_settings_match_the_server_version(
    monkeypatch: pytest.MonkeyPatch, version: str, collation: str, isolation: str
) -> None:
    begun: list[str] = []

    class FakeServer:
        """Reports its version."""

        def get_server_info(self) -> str:
            return version

        def close(self) -> None:
            """Gone."""

    async def connect(**_: object) -> FakeServer:
        return FakeServer()

    async def create_pool(*, init_command: str, **_: object) -> None:
        begun.append(init_command)

    monkeypatch.setattr("asyncmy.connect", connect)
    monkeypatch.setattr("asyncmy.create_pool", create_pool)
    await mysql.MysqlEngine("mysql://root@host/name").open()
    (command,) = begun
    assert f"SET NAMES utf8mb4 COLLATE {collation}, {isolation} = 'READ-COMMITTED'" in command
    assert "time_zone = '+00:00'" in command
    assert "innodb_lock_wait_timeout = 5" in command
    assert "STRICT_ALL_TABLES" in command
    assert "MariaDB" in version or faults(command) == []


# every statement

KEY = IdempotencyKey(caller="anna", key="k")
ANSWER = StoredResponse(request_hash=bytes(32), status=200, headers=(), body=b"{}")


async def writes(tx: Transaction) -> None:
    one, of = record(), link()
    await tx.lock(
        LockSet(
            keys=frozenset({KEY}),
            records=frozenset({one.key, record(user_id="berta").key}),
            links=frozenset({of.id}),
            adjustments=frozenset({"job"}),
        )
    )
    async with tx.savepoint():
        await tx.write(
            Writes(
                responses={KEY: ANSWER},
                new_records=records_by_key(one),
                changed_records=records_by_key(one),
                new_links=links_by_id(of),
                changed_links=links_by_id(of),
                adjustments={"job": adjustment()},
                audit=[audit_entry()],
                events=[created_event(one), created_event(of)],
            )
        )
    await tx.take([new_id(), new_id()])
    await tx.burn([new_id(), new_id()])
    await tx.move(fold([created_event(one), created_event(of), created_event(record(content=ARTICLE))]))
    await tx.execute("SELECT 1 AS n FROM share_records WHERE user_id = :user", {"user": "anna"})


async def every_method(db: SqlDatabase) -> None:
    """Each method of the port once, with every filter."""
    async with db.transaction() as tx:
        await writes(tx)
    await outbox(db, new_id())
    await reading(db)
    await proving(db)
    key = ApiKey(id=new_id(), name="n", digest=bytes(32), scopes=frozenset({"shares"}), created_at=AT)
    await db.keys.add(key)
    await db.keys.all()
    await db.keys.by_digest(key.digest)
    await db.keys.revoke(key.id)
    await db.responses.purge(1.0, at_most=1)
    await insight(db)
    await signing_in(db)
    await deliveries(db)
    await posting(db)
    await db.schema.revision()
    await db.committed([new_id()])


async def posting(db: SqlDatabase) -> None:
    """Posts and accounts; with no rows to read, connecting an account ends where it reads what it has written."""
    account = new_id()
    stands = record()
    post = Post(
        id=new_id(), record_id=stands.id, key=stands.key, account_id=account, number=1, status=PostStatus.PENDING,
        text="text", url="https://shop.example/s/a", created_at=AT,
    )  # fmt: skip
    async with db.transaction() as tx:
        await tx.lock(LockSet(records=frozenset({stands.key}), posts=frozenset({stands.key})))
        await tx.write(Writes(new_posts={post.id: post}))
        await tx.write(Writes(changed_posts={post.id: post}))
        charge = Charge(platform="twitter", day="2026-12-01", user_id="anna", amount=200_000)
        await tx.spending.reserve(charge, None)
        await tx.spending.release([charge])
    await db.spending.of_day("twitter", "2026-12-01")
    await db.posts.hold_overdue(AT, "no worker ran")
    await db.posts.by_id(post.id)
    await db.posts.newest([post.record_id])
    await db.posts.page(PostFilter(user_id="anna", status=PostStatus.FAILED), limit=10, after=post.id)
    tokens = TokenWrite(sealed="sealed", expires_at=AT, refresh_at=AT)
    key = AccountKey(user_id="anna", platform="mastodon", external_id="1", server="https://social.example")
    write = AccountWrite(id=account, handle="anna", expires_at=AT, refresh_at=AT, sealed="sealed", audit=audit_entry())
    with suppress(IndexError):
        await db.accounts.connect(key, lambda _: write)
    await db.accounts.by_id(account)
    await db.accounts.of_user("anna")
    await db.accounts.page(after=account, limit=10)
    await db.accounts.change(account, label="shop", is_default=True)
    await db.accounts.delete(account, revision=1, audit=audit_entry())
    await db.accounts.needs_reauth(account, revision=1, audit=audit_entry())
    await db.accounts.take_lease(account, new_id(), seconds=60)
    await db.accounts.release_lease(account, new_id())
    await db.accounts.store_tokens(account, tokens, revision=1, audit=audit_entry())
    await db.accounts.reseal(account, "sealed", revision=1)
    await db.accounts.postpone_refresh(account, until=AT, audit=audit_entry())
    await db.accounts.due_for_refresh(AT, limit=10)
    pending = PendingConnection(
        id=new_id(), digest=bytes(32), browser=bytes(32), step="authorize", user_id="anna", actor="anna",
        platform="mastodon", sealed="sealed", expires_at=AT,
    )  # fmt: skip
    await db.accounts.begin(pending, at_most=10, audit=audit_entry())
    await db.accounts.redeem(bytes(32), browser=bytes(32), platform="mastodon", step="authorize", now=AT)
    await db.accounts.record(audit_entry())


async def insight(db: SqlDatabase) -> None:
    cut = build_grid(AT - timedelta(hours=1), AT, 900, ZoneInfo("UTC"))
    which = RollupFilter(start=AT - timedelta(hours=1), end=AT, content_type="video", content_id="abc", channel="x")
    await db.analytics.over_time(which, cut, GroupBy.CHANNEL, at_most=0)
    await db.analytics.over_time(which, cut, None, at_most=20)
    await db.analytics.top(which, limit=10)
    await db.content_items.describe(ContentDetails(content=VIDEO, title="Look at this"))
    await db.content_items.details([VIDEO, ARTICLE])
    await db.verification_runs.extend_lease(60)
    await db.verification_runs.record(VerificationResult(content_items=1, drifted=()), 1.0)
    await db.verification_runs.last()
    await db.content_items.search(id_prefix="a", words=["a", "b"], content_type=None, limit=10, after=VIDEO)


async def signing_in(db: SqlDatabase) -> None:
    code = SignInCode(digest=bytes(32), user_id="anna", scopes=frozenset(), session_seconds=60, expires_at=AT)
    await db.sessions.add_code(code)
    await db.sessions.redeem(code.digest, AT, lambda _: session())
    await db.sessions.add(session())
    await db.sessions.by_digest(bytes(32))
    await db.sessions.record_use(new_id(), AT)
    await db.sessions.all()
    await db.sessions.end(new_id())
    await db.sessions.end_all_of("anna")
    await db.sessions.purge(1.0, at_most=1)


async def outbox(db: SqlDatabase, event: UUID) -> None:
    await db.events.now()
    await db.events.backlog()
    await db.events.has_unburned_older_than(30)
    await db.events.claim(["share_created"], AT, 10)
    await db.events.claim(["share_created", "share_deleted"], None, 10)
    await db.events.marks()
    await db.events.mark("count", AT)
    await db.events.park(event, "reason")
    await db.events.add_parked(created_event(record()), "reason")
    await db.events.parked(limit=10, after=event)
    await db.events.parked_by_id(event)
    await db.events.unpark([event])
    await db.events.discard(event, [adjustment()], audit_entry())


async def deliveries(db: SqlDatabase) -> None:
    worker, hour = WORKER, timedelta(hours=1)
    delivery = Delivery(
        id=UUID(int=0), kind="hook", target="shop", key="key", payload="{}", state=DeliveryState.SENDING,
        due_at=AT, attempts=1, created_at=AT,
    )  # fmt: skip
    async with db.transaction() as tx:
        await tx.deliveries.enqueue([new_delivery(), new_delivery(key="key")])
        for outcome in (Done(), Retry(at=AT, reason="busy"), Dead(reason="gone"), Unknown(reason="no answer")):
            await tx.deliveries.finish(delivery, worker, outcome)
        await tx.deliveries.store_attempt(delivery, worker)
        await tx.deliveries.discard(delivery.id, "no longer wanted")
        await tx.deliveries.cancel("hook", "shop", "key")
        await tx.deliveries.block("hook", "shop", AT)
    await db.deliveries.due(["hook", "mail"], AT)
    for failing in (True, False):
        await db.deliveries.claim(worker, DueGate("hook", failing), ["hook", "mail"], AT, 10)
    await db.deliveries.register(worker, "1.0")
    await db.deliveries.heartbeat(worker, 0)
    await db.deliveries.heartbeats()
    await db.deliveries.idle_since(hour)
    await db.deliveries.release_forgotten(worker, [delivery.id])
    await db.deliveries.closed_gates(["202609"])
    await db.deliveries.take_over(worker, 1)
    await db.deliveries.leave(worker)
    await db.deliveries.reschedule()
    await db.deliveries.close_gate("hook", "the platform is paused", AT)
    await db.deliveries.open_gate("hook")
    await db.deliveries.enable("hook", "shop")
    await db.deliveries.expire_disabled(10)
    await db.deliveries.backlog()
    await db.deliveries.stuck(limit=10, after=delivery.id)
    await db.deliveries.stuck_by_id(delivery.id)
    await db.deliveries.replay([delivery.id], over=hour)
    await db.deliveries.purge(failures_older_than=hour, at_most=10)
    await db.deliveries.trim("hook", "shop", keep=1, at_most=10)


async def reading(db: SqlDatabase) -> None:
    await db.counts.stored([VIDEO, ARTICLE])
    await db.counts.exact([VIDEO, ARTICLE])
    await db.counts.by_platform(VIDEO)
    await db.shares.of_user(VIDEO, "anna")
    await db.shares.by_id(new_id())
    await db.links.by_id(new_id())
    await db.links.targets(["code", "other", "third"])
    await db.links.page(
        LinkFilter(content_type="video", content_id="abc", user_id="anna", campaign="c"), limit=5, after=new_id()
    )
    which = AuditFilter(
        content_type="video", content_id="abc", platform="x", user_id="anna", status="success", action="shared",
        start=AT, end=AT, request_id="r",
    )  # fmt: skip
    await db.audit.page(which, limit=5, after=new_id())


async def proving(db: SqlDatabase) -> None:
    await db.proof.cells(VIDEO)
    await db.proof.verify(None, lambda _: None)
    await db.proof.verify(VIDEO, lambda _: None)
    for dimension, value in (("total", ""), ("channel", "x"), ("rollup", "x/link")):
        cell = CellProof(content=VIDEO, dimension=dimension, value=value, counted=1, pending=0, ledger=0)
        await db.proof.repair(cell, audit_entry())
    await db.proof.reset_after_restore()


async def test_every_statement_is_valid_mysql() -> None:
    engine = FakeEngine()
    await every_method(SqlDatabase(engine))
    sent = sorted(set(engine.sent))
    assert {statement: faults(statement) for statement in sent if faults(statement)} == {}
    written = {" ".join(statement.split()[:3]) for statement in sent}
    assert {each for each in written if each.startswith("INSERT")} == {
        f"INSERT INTO {name}" for name in metadata.tables
    }
    assert {each.split()[1] for each in written if each.startswith("UPDATE")} == {
        "share_records", "share_links", "share_totals", "events", "api_keys", "last_verify", "console_sessions",
        "deliveries", "delivery_workers", "accounts", "posts",
    }  # fmt: skip
    assert {each.split()[2] for each in written if each.startswith("DELETE")} == {
        "events", "idempotency_keys", "queue_marks", "content_words", "console_codes", "console_sessions",
        "deliveries", "delivery_gates", "delivery_log", "delivery_workers", "messages",
    }  # fmt: skip


async def test_rows_are_locked_where_they_have_to_be() -> None:
    engine = FakeEngine()
    async with SqlDatabase(engine).transaction() as tx:
        await writes(tx)
    locking = [statement for statement in engine.sent if statement.endswith(" FOR UPDATE")]
    tables = [re.findall(r"FROM (\w+)", statement)[0] for statement in locking]
    assert tables == ["idempotency_keys", "share_records", "share_links", "adjustments", "events"]


@pytest.mark.parametrize("number", [2006, 2013, 1053, 1040, 1927, 1290])
def test_a_lost_connection_and_a_wrong_statement_raise_different_errors(number: int) -> None:
    assert isinstance(mysql.translate_error(OperationalError(number, "gone")), Unavailable)
    assert isinstance(mysql.translate_error(OperationalError(1064, "wrong")), DataRejected)
