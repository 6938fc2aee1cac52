"""A database for the length of one command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.store import database
from sharetally.ports import Database
from sharetally.settings import Settings
from sharetally.wiring import check_schema, check_there


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, DatabaseClock]]:
    check_there(settings)
    store, clock = database(settings.database_url), DatabaseClock()
    await store.open()
    try:
        await check_schema(await store.revision())
        await clock.measure(store)
        yield store, clock
    finally:
        await store.close()
