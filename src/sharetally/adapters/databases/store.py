"""The database, put together from its parts over one engine, chosen by the URL's scheme."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sharetally.adapters.databases.content_items import SqlContentItems
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.keys import SqlKeyStore, SqlSchema
from sharetally.adapters.databases.ledger import SqlLedger
from sharetally.adapters.databases.outbox import SqlOutbox
from sharetally.adapters.databases.proof_store import SqlProofStore
from sharetally.adapters.databases.read_store import SqlReadStore
from sharetally.adapters.databases.rollups import SqlRollups
from sharetally.adapters.databases.sessions import SqlSessionStore
from sharetally.adapters.databases.stores.deliveries import SqlDeliveries
from sharetally.adapters.databases.verification_runs import SqlVerificationRuns
from sharetally.domain.errors import ConfigurationError


class SqlDatabase(
    SqlLedger,
    SqlOutbox,
    SqlReadStore,
    SqlRollups,
    SqlContentItems,
    SqlProofStore,
    SqlVerificationRuns,
    SqlKeyStore,
    SqlSessionStore,
    SqlSchema,
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


def database_from_url(url: str) -> SqlDatabase:
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
        raise ConfigurationError(
            f"DATABASE_URL needs a driver: pip install 'sharetally[{scheme}]' ({error.name})"
        ) from error
    raise ConfigurationError(f"DATABASE_URL: unknown scheme {scheme!r}; use sqlite, postgresql or mysql")


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names."""
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
