"""The database, put together from its parts over one engine, chosen by the URL's scheme."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sharetally.adapters.databases.contents import SqlContents
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.keys import SqlKeys, SqlSchema
from sharetally.adapters.databases.ledger import SqlLedger
from sharetally.adapters.databases.looks import SqlLooks
from sharetally.adapters.databases.outbox import SqlOutbox
from sharetally.adapters.databases.proving import SqlProving
from sharetally.adapters.databases.reading import SqlReading
from sharetally.adapters.databases.rollups import SqlRollups
from sharetally.adapters.databases.sessions import SqlSessions
from sharetally.adapters.databases.stores.deliveries import SqlDeliveries
from sharetally.domain.errors import Misconfigured


class SqlDatabase(
    SqlLedger, SqlOutbox, SqlReading, SqlRollups, SqlContents, SqlProving, SqlLooks, SqlKeys, SqlSessions, SqlSchema
):
    """Every part over the same connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.deliveries = SqlDeliveries(engine)

    async def open(self) -> None:
        """Connect."""
        await self._engine.open()

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.close()


def database(url: str) -> SqlDatabase:
    """The database that a URL names; a driver is imported only when it is asked for."""
    return SqlDatabase(_engine(url))


def _engine(url: str) -> Engine:
    scheme = urlsplit(url).scheme
    try:
        if scheme == "sqlite":
            from sharetally.adapters.databases.sqlite import SqliteEngine

            return SqliteEngine(sqlite_path(url))
        if scheme in ("postgresql", "postgres"):
            from sharetally.adapters.databases.postgresql import PostgresqlEngine

            return PostgresqlEngine(url)
        if scheme in ("mysql", "mariadb"):
            from sharetally.adapters.databases.mysql import MysqlEngine

            return MysqlEngine(url)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"DATABASE_URL needs a driver: pip install 'sharetally[{scheme}]' ({error.name})"
        ) from error
    raise Misconfigured(f"DATABASE_URL: unknown scheme {scheme!r}; use sqlite, postgresql or mysql")


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names."""
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
