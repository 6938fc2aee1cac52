"""The schema's history: safe to run twice, at once and after a stop; what it makes is what the statements expect."""

from __future__ import annotations

import asyncio
import io
import logging
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects.mysql import MEDIUMBLOB, TINYBLOB

from sharetally.adapters.databases.database import sqlite_path
from sharetally.adapters.databases.tables import metadata
from sharetally.adapters.migrations import HEAD
from sharetally.adapters.migrations.runner import create_engine, known_revisions, print_sql, script_directory, upgrade
from sharetally.domain.errors import ConfigurationError, Unavailable
from tests.contracts.database_rows import execute_sql, open_database

pytestmark = pytest.mark.anyio
T = TypeVar("T")
WHOLE = [revision.revision for revision in reversed(list(script_directory().walk_revisions()))]

ONE_OF_MANY = (
    "import sys; from sharetally.adapters.migrations.runner import upgrade; "
    "print('ready', flush=True); sys.stdin.readline(); print(upgrade(sys.argv[1]))"
)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Callable[[Callable[[sa.Connection], T]], Any]]:
    """Runs functions on a connection of SQLAlchemy's own; all is committed at the end."""
    if url.startswith("sqlite"):
        plain = sa.create_engine(f"sqlite:///{sqlite_path(url)}")
        with plain.begin() as connection:
            yield lambda step: _now(step(connection))
        plain.dispose()
        return
    engine = await create_engine(url)
    async with engine.begin() as asynchronous:
        yield asynchronous.run_sync
    await engine.dispose()


async def _now(value: T) -> T:
    return value


async def upgraded(url: str) -> list[str]:
    return await asyncio.to_thread(upgrade, url)


def differences(connection: sa.Connection) -> list[Any]:
    """What the tables lack compared with the metadata, and what they have in addition."""
    context = MigrationContext.configure(connection, opts={"compare_type": _another_type})
    return list(compare_metadata(context, metadata))


def _another_type(_context: object, _found: object, _wanted: object, found: object, wanted: object) -> bool | None:
    """MariaDB turns BLOB(32) into TINYBLOB; all other types are compared."""
    return False if isinstance(wanted, sa.LargeBinary) and isinstance(found, TINYBLOB | MEDIUMBLOB) else None


def shape(connection: sa.Connection) -> dict[str, object]:
    """Everything that the database reports about its tables, and its triggers by name."""
    inspector = sa.inspect(connection)
    found: dict[str, object] = {"triggers": _triggers(connection)}
    for table in inspector.get_table_names():
        found[table] = {
            "columns": {name: (kind, *rest) for name, kind, *rest in map(_column, inspector.get_columns(table))},
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "unique": _named(inspector.get_unique_constraints(table)),
            "indexes": _named(inspector.get_indexes(table)),
            "checks": {each["name"]: each["sqltext"] for each in inspector.get_check_constraints(table)},
            "options": inspector.get_table_options(table),
        }
    return found


def _column(found: Any) -> tuple[str, ...]:
    collation = str(getattr(found["type"], "collation", ""))
    return found["name"], str(found["type"]), collation, str(found["nullable"]), str(found["default"])


def _named(found: Sequence[Any]) -> dict[str, list[str]]:
    return {each["name"]: each["column_names"] for each in found}


TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, pg_get_triggerdef(t.oid), prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid",
    "mysql": "SELECT trigger_name, event_manipulation, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = database()",
}


def _triggers(connection: sa.Connection) -> list[tuple[object, ...]]:
    dialect = "mysql" if connection.dialect.name == "mariadb" else connection.dialect.name
    return sorted(tuple(row) for row in connection.exec_driver_sql(TRIGGERS[dialect]))


# the history


def test_the_head_is_the_newest_revision() -> None:
    assert script_directory().get_heads() == [HEAD]
    assert HEAD in known_revisions()


async def test_migrations_create_the_schema_that_the_code_expects(database_url: str) -> None:
    assert await upgraded(database_url) == WHOLE
    async with connected(database_url) as inside:
        assert await inside(differences) == []


async def test_a_second_run_changes_nothing(database_url: str) -> None:
    await upgraded(database_url)
    async with connected(database_url) as inside:
        before = await inside(shape)
    assert await upgraded(database_url) == []
    async with connected(database_url) as inside:
        assert await inside(shape) == before


@pytest.fixture
def connections(database_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Three processes that stand ready to migrate, and end with the test."""
    command = [sys.executable, "-c", ONE_OF_MANY, database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_of_three_concurrent_upgrades_one_runs_and_the_others_wait(connections: list[subprocess.Popen[str]]) -> None:
    for process in connections:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in connections:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in connections]
    assert [errors for _, errors in ended] == [""] * 3
    assert sorted(told for told, _ in ended) == [f"{WHOLE}\n", "[]\n", "[]\n"]


@pytest.mark.parametrize("database_url", ["mysql"], indirect=True)
async def test_an_interrupted_upgrade_is_resumed(database_url: str) -> None:
    """MySQL keeps each step by itself: here all is there but one table, one index, one trigger and the revision."""
    await upgraded(database_url)
    async with connected(database_url) as inside:
        whole = await inside(shape)
    async with open_database(database_url) as db:
        for statement in (
            "DELETE FROM alembic_version",
            "DROP TRIGGER share_audit_delete",
            "DROP INDEX ix_share_links_user ON share_links",
            "DROP TABLE api_keys",
            "DROP INDEX ix_share_rollups_bucket ON share_rollups",
            "DROP TABLE content_words",
        ):
            await execute_sql(db, statement)
    assert await upgraded(database_url) == WHOLE
    async with connected(database_url) as inside:
        assert await inside(shape) == whole


@pytest.fixture
def executed_statements() -> Iterator[list[str]]:
    """The statements that SQLAlchemy executes, and its commits, in order."""
    statements: list[str] = []

    def sent(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    def committed(_connection: object) -> None:
        statements.append("COMMIT")

    sa.event.listen(sa.Engine, "before_cursor_execute", sent)
    sa.event.listen(sa.Engine, "commit", committed)
    yield statements
    sa.event.remove(sa.Engine, "before_cursor_execute", sent)
    sa.event.remove(sa.Engine, "commit", committed)


@pytest.mark.parametrize("database_url", ["mysql"], indirect=True)
async def test_the_lock_is_released_after_the_revision_is_committed(
    database_url: str, executed_statements: list[str]
) -> None:
    await upgraded(database_url)
    written, released = (
        next(place for place, each in enumerate(executed_statements) if each.startswith(word))
        for word in ("INSERT INTO alembic_version", "SELECT RELEASE_LOCK")
    )
    assert "COMMIT" in executed_statements[written:released]


@pytest.mark.parametrize("database_url", ["mysql"], indirect=True)
async def test_an_upgrade_logs_no_warnings(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await upgraded(database_url)
    assert caplog.messages == []


# what stands in the way


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "mysql://nobody@127.0.0.1:1/x"])
def test_a_database_that_is_away(url: str) -> None:
    with pytest.raises(Unavailable, match="cannot migrate"):
        upgrade(url)


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "sharetally.db"
    path.write_bytes(b"something else entirely, and long enough to be seen as such" * 20)
    with pytest.raises(Unavailable, match="cannot migrate"):
        upgrade(f"sqlite:///{path}")


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/new/sharetally.db")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_an_unknown_database_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="oracle"):
        upgrade("oracle://x/y")


# for somebody else to run


def printed(url: str) -> str:
    out = io.StringIO()
    print_sql(url, out)
    return out.getvalue()


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql", "postgres", "mysql", "mariadb"])
def test_the_script_makes_every_table_and_writes_the_revision(scheme: str) -> None:
    text = printed(f"{scheme}://host/name")
    for table in metadata.tables:
        assert f"CREATE TABLE IF NOT EXISTS {table} (" in text
    assert f"'{HEAD}'" in text
    assert "%%" not in text


@pytest.mark.parametrize(
    ("database_url", "scheme"),
    [("postgresql", "postgresql"), ("mysql", "mariadb"), ("sqlite", "sqlite")],
    indirect=["database_url"],
)
async def test_the_script_makes_the_same_as_the_run(database_url: str, scheme: str) -> None:
    await as_a_client(database_url, printed(f"{scheme}://host/name"))
    async with connected(database_url) as inside:
        by_script = await inside(shape)
        assert await inside(differences) == []
        await inside(metadata.drop_all)
        await inside(lambda connection: connection.exec_driver_sql("DROP TABLE alembic_version"))
    assert await upgraded(database_url) == WHOLE
    async with connected(database_url) as inside:
        assert await inside(shape) == by_script


async def as_a_client(url: str, text: str) -> None:
    """Run a script as the database's own client would."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sqlite_path(url))) as connection:
            connection.executescript(text)
    elif url.startswith("postgresql"):
        server = await asyncpg.connect(url)
        await server.execute(text)
        await server.close()
    else:
        async with connected(url) as inside:
            for statement in mysql_statements(text):
                await inside(partial(_executed, statement=statement))


def _executed(connection: sa.Connection, *, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))


def mysql_statements(text: str) -> Iterator[str]:
    """Statements as the client of MySQL finds them: up to the delimiter, which DELIMITER changes."""
    delimiter, lines = ";", list[str]()
    for line in text.splitlines():
        if line.startswith("DELIMITER "):
            delimiter = line.split()[1]
        elif not line.startswith("--"):
            lines.append(line)
            if line.rstrip().endswith(delimiter):
                yield "\n".join(lines).strip().removesuffix(delimiter)
                lines.clear()
    assert "".join(lines).strip() == ""


# what is there already


async def test_of_keys_with_one_name_the_newest_in_use_claims_it(database_url: str) -> None:
    """All of them go on working; a revoked one claims nothing."""
    await upgraded(database_url)
    async with connected(database_url) as inside:
        for number, (name, revoked) in enumerate([("shop", 0), ("shop", 0), ("shop", 1), ("Shop", 0), ("old", 1)]):
            await inside(partial(_key_of_old, number=number, name=name, revoked=bool(revoked)))
        await inside(
            lambda connection: connection.exec_driver_sql(
                "DROP INDEX ix_api_keys_active_name"
                + (" ON api_keys" if connection.dialect.name in ("mysql", "mariadb") else "")
            )
        )
        await inside(lambda connection: connection.exec_driver_sql("ALTER TABLE api_keys DROP COLUMN active_name"))
        await inside(lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'"))
    assert await upgraded(database_url) == ["0007", "0009", "0010", "0011", "0012", "0013"]
    async with connected(database_url) as inside:
        wanted = sa.select(metadata.tables["api_keys"].c.active_name).order_by(metadata.tables["api_keys"].c.id)
        assert await inside(lambda connection: list(connection.scalars(wanted))) == [None, "shop", None, "Shop", None]


def _key_of_old(connection: sa.Connection, *, number: int, name: str, revoked: bool) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    values = {"id": UUID(int=number), "name": name, "digest": bytes([number]) * 32, "scopes": "shares"}
    values |= {"created_at": at, "revoked_at": at if revoked else None}
    connection.execute(metadata.tables["api_keys"].insert().values(values))
