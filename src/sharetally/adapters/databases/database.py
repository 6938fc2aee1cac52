"""The database: transactions and one store per feature, over one engine that the URL's scheme selects."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.ledger import SqlLedger
from sharetally.adapters.databases.stores.accounts import SqlAccountStore
from sharetally.adapters.databases.stores.analytics import SqlAnalyticsStore
from sharetally.adapters.databases.stores.audit import SqlAuditStore
from sharetally.adapters.databases.stores.content_items import SqlContentItemStore
from sharetally.adapters.databases.stores.counts import SqlCountStore
from sharetally.adapters.databases.stores.deliveries import SqlDeliveryStore
from sharetally.adapters.databases.stores.durability import SqlDurability
from sharetally.adapters.databases.stores.events import SqlEventStore
from sharetally.adapters.databases.stores.keys import SqlKeyStore
from sharetally.adapters.databases.stores.links import SqlLinkStore
from sharetally.adapters.databases.stores.posts import SqlPostStore
from sharetally.adapters.databases.stores.proof import SqlProofStore
from sharetally.adapters.databases.stores.responses import SqlResponseStore
from sharetally.adapters.databases.stores.schema import SqlSchema
from sharetally.adapters.databases.stores.sessions import SqlSessionStore
from sharetally.adapters.databases.stores.shares import SqlShareStore
from sharetally.adapters.databases.stores.spending import SqlSpendingStore
from sharetally.adapters.databases.stores.verification_runs import SqlVerificationRunStore
from sharetally.domain.errors import ConfigurationError


class SqlDatabase(SqlLedger):
    """Transactions, and the stores over the same connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.shares = SqlShareStore(engine)
        self.links = SqlLinkStore(engine)
        self.counts = SqlCountStore(engine)
        self.audit = SqlAuditStore(engine)
        self.keys = SqlKeyStore(engine)
        self.sessions = SqlSessionStore(engine)
        self.responses = SqlResponseStore(engine)
        self.events = SqlEventStore(engine)
        self.proof = SqlProofStore(engine)
        self.verification_runs = SqlVerificationRunStore(engine)
        self.analytics = SqlAnalyticsStore(engine)
        self.content_items = SqlContentItemStore(engine)
        self.deliveries = SqlDeliveryStore(engine)
        self.accounts = SqlAccountStore(engine)
        self.posts = SqlPostStore(engine)
        self.spending = SqlSpendingStore(engine)
        self.schema = SqlSchema(engine)
        self.durability = SqlDurability(engine)

    async def open(self) -> None:
        """Connect; `Unavailable` if the server does not answer."""
        await self._engine.open()

    async def close(self) -> None:
        """Close every connection; repeating is fine."""
        await self._engine.close()


def database_from_url(url: str) -> SqlDatabase:
    """The database that a URL names; a driver is imported only if the URL needs it."""
    scheme = urlsplit(url).scheme
    engine: Engine
    try:
        if scheme == "sqlite":
            from sharetally.adapters.databases.sqlite import SqliteEngine

            engine = SqliteEngine(sqlite_path(url))
        elif scheme in ("postgresql", "postgres"):
            from sharetally.adapters.databases.postgresql import PostgresqlEngine

            engine = PostgresqlEngine(url)
        elif scheme in ("mysql", "mariadb"):
            from sharetally.adapters.databases.mysql import MysqlEngine

            engine = MysqlEngine(url)
        else:
            raise ConfigurationError(f"DATABASE_URL: unknown scheme {scheme!r}; use sqlite, postgresql or mysql")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"DATABASE_URL needs a driver: pip install 'sharetally[{scheme}]' ({error.name})"
        ) from error
    return SqlDatabase(engine)


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names."""
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
