"""The use cases of accounts over one database, with a clock that tests move and a platform that tests disturb."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.vault import AesGcmVault
from sharetally.domain.account import Account
from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.connecting import Begun, Choice, Connecting
from sharetally.flow.accounts.keeping import AccountKeeper
from sharetally.flow.accounts.managing import Accounts
from sharetally.flow.accounts.refreshing import Refresher
from sharetally.flow.accounts.sealing import Sealing
from sharetally.ports import AuditFilter, TokenKey
from tests.contracts.database_rows import open_empty_database
from tests.flow.fake_platform import FakePlatform

PUBLIC_URL = "https://shares.example"
ANNA = Caller(user_id="anna", actor="anna", scopes=frozenset({"shares"}))
CARLA = Caller(user_id="carla", actor="key:shop", scopes=frozenset({"shares"}))
OLD_KEY, NEW_KEY = TokenKey(id="old", key=b"o" * 32), TokenKey(id="new", key=b"n" * 32)


class MovedClock:
    """Tells the time that the test has set."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)  # the database deletes what has expired by its own clock

    def now(self) -> datetime:
        """The time that was set."""
        return self.at

    def move(self, **by: float) -> None:
        """Go on by a timedelta."""
        self.at += timedelta(**by)


def sealing_with(*keys: TokenKey) -> Sealing:
    """A vault with these keys, newest first."""
    return Sealing(AesGcmVault(lambda: keys))


@dataclass(frozen=True, kw_only=True)
class Process:
    """What one process has of its own."""

    access: AccountAccess
    keeper: AccountKeeper
    sealing: Sealing


class Accounting:
    """One database and one platform, and any number of processes."""

    def __init__(self, database: SqlDatabase) -> None:
        self.database = database
        self.store = database.accounts
        self.clock = MovedClock()
        self.platform = FakePlatform(now=self.clock.now)
        self.sealing = sealing_with(OLD_KEY)
        others = {"x": FakePlatform(now=self.clock.now, platform="x")}
        self.connectors = {"bluesky": self.platform, **others}
        self.connecting = Connecting(
            store=self.store,
            sealing=self.sealing,
            connectors=self.connectors,
            clock=self.clock,
            public_url=PUBLIC_URL,
            canonical=str.lower,
        )
        self.accounts = Accounts(store=self.store, sealing=self.sealing, connectors=self.connectors, clock=self.clock)
        self.process = self.new_process()
        self.access = self.process.access

    def new_process(self, database: SqlDatabase | None = None, *, sealing: Sealing | None = None) -> Process:
        """Another process, over its own connections if they are given."""
        store, own_sealing = (database or self.database).accounts, sealing or self.sealing
        refresher = Refresher(
            store=store, sealing=own_sealing, connectors=self.connectors, clock=self.clock, sleep=_short_sleep
        )
        access = AccountAccess(refresher, clock=self.clock)
        keeper = AccountKeeper(store=store, access=access, sealing=own_sealing, clock=self.clock)
        return Process(access=access, keeper=keeper, sealing=own_sealing)

    async def begin(self, caller: Caller = ANNA, platform: str = "bluesky") -> Begun:
        """Begin to connect."""
        return await self.connecting.begin(platform, "", caller, request_id="request-1")

    async def finish(self, begun: Begun, parameters: dict[str, str] | None = None) -> Account | Choice:
        """Come back from the platform."""
        sent = self.platform.agree(begun.url) if parameters is None else parameters
        return await self.connecting.finish("bluesky", sent, begun.browser, request_id="request-2")

    async def connect(self, caller: Caller = ANNA) -> Account:
        """Connect the one account that the platform has."""
        account = await self.finish(await self.begin(caller))
        assert isinstance(account, Account)
        return account

    async def audit(self) -> list[AuditEntry]:
        """All lines, oldest first."""
        return list(reversed(await self.database.audit.page(AuditFilter(), limit=1000, after=None)))

    async def actions(self) -> list[str]:
        """What the audit says, oldest first."""
        return [each.action.removeprefix("account_") for each in await self.audit()]


async def _short_sleep(_: float) -> None:
    await asyncio.sleep(0.005)


@asynccontextmanager
async def accounting(folder: Path) -> AsyncIterator[Accounting]:
    """Everything over a new SQLite file."""
    async with open_empty_database(f"sqlite:///{folder}/sharetally.db") as database:
        yield Accounting(database)
