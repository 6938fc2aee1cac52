"""Upgrades a database to the newest revision, or prints the SQL that does so.

SQLite is upgraded through the standard library, PostgreSQL and MySQL through SQLAlchemy's asynchronous engine. A lock
in the database makes the second of two simultaneous runs wait for the first one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sharetally.adapters.databases.database import sqlite_path
from sharetally.domain.errors import ConfigurationError, SharetallyError, Unavailable

_DIRECTORY = Path(__file__).parent
_ADVISORY_LOCK_ID = 727_001_2026
_LOCK_TIMEOUT_SECONDS = 120


def script_directory() -> ScriptDirectory:
    """Alembic's view of the revisions in this folder."""
    return ScriptDirectory(str(_DIRECTORY))


def known_revisions() -> frozenset[str]:
    """Every revision that this version knows."""
    return frozenset(revision.revision for revision in script_directory().walk_revisions())


def upgrade(url: str) -> list[str]:
    """Upgrade the database to the newest revision; return the revisions that were run."""
    if urlsplit(url).scheme != "sqlite":
        return asyncio.run(_upgrade_server(url))
    path = sqlite_path(url)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": _LOCK_TIMEOUT_SECONDS, "isolation_level": None}
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            applied = _run(connection)
            connection.exec_driver_sql("COMMIT")
            connection.commit()
            return applied
    except sa.exc.DBAPIError as error:
        raise Unavailable(f"cannot migrate: {_reason(error)}") from error
    finally:
        engine.dispose()


async def _upgrade_server(url: str) -> list[str]:
    try:
        engine = await create_engine(url)
        try:
            async with engine.connect() as connection:
                applied = await connection.run_sync(_run_with_lock)
                await connection.commit()
                return applied
        finally:
            await engine.dispose()
    except SharetallyError:
        raise
    except Exception as error:  # each driver has its own errors, and all of them mean that the upgrade failed
        raise Unavailable(f"cannot migrate: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    driver_error = getattr(error, "orig", None) or error
    return f"{type(driver_error).__name__}: {driver_error}".splitlines()[0][:300]


async def create_engine(url: str) -> AsyncEngine:
    """SQLAlchemy's engine, whose connections are opened in the same way as those of the service."""
    scheme = urlsplit(url).scheme
    if scheme in ("postgresql", "postgres"):
        import asyncpg

        return _engine_with("postgresql+asyncpg", lambda: asyncpg.connect(url))
    if scheme not in ("mysql", "mariadb"):
        raise ConfigurationError(f"DATABASE_URL: unknown scheme {scheme!r}; use sqlite, postgresql or mysql")
    import asyncmy

    from sharetally.adapters.databases.mysql import connect_arguments

    # The server says whether it is MariaDB, which has its own collations; the scheme of the URL does not tell.
    probe = await asyncmy.connect(**connect_arguments(url))
    dialect = "mariadb" if "mariadb" in str(probe.get_server_info()).lower() else "mysql"
    probe.close()
    return _engine_with(f"{dialect}+asyncmy", lambda: asyncmy.connect(**connect_arguments(url)))


def _engine_with(dialect: str, connect: Callable[[], Awaitable[Any]]) -> AsyncEngine:
    async def creator(*_: object, **__: object) -> Any:
        return await connect()

    return create_async_engine(f"{dialect}://", async_creator=creator, poolclass=sa.NullPool)


def _run_with_lock(connection: sa.Connection) -> list[str]:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK_ID})
        return _run(connection)
    # max_error_count: without it the driver logs a warning for each DROP … IF EXISTS that finds nothing.
    connection.execute(sa.text("SET time_zone = '+00:00', max_error_count = 0"))
    if connection.scalar(sa.text("SELECT GET_LOCK('sharetally_migrate', :wait)"), {"wait": _LOCK_TIMEOUT_SECONDS}) != 1:
        raise Unavailable(f"cannot migrate: another run has held the lock for {_LOCK_TIMEOUT_SECONDS} seconds")
    try:
        applied = _run(connection)
        connection.commit()  # before the lock is released, or the next run would not see the revision
        return applied
    finally:
        connection.execute(sa.text("SELECT RELEASE_LOCK('sharetally_migrate')"))


def _run(connection: sa.Connection) -> list[str]:
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(_config(connection=connection), "head")
    return [step.revision for step in reversed(list(script_directory().iterate_revisions("head", before or "base")))]


def print_sql(url: str, out: TextIO) -> None:
    """Write the statements that create the newest schema in an empty database, for somebody else to run."""
    scheme = urlsplit(url).scheme
    dialect = "postgresql" if scheme == "postgres" else scheme
    command.upgrade(_config(dialect=dialect, out=out), "head", sql=True)


def _config(**attributes: object) -> Config:
    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(_DIRECTORY))
    return config
