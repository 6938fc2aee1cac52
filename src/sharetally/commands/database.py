"""The database that a command uses: opened, checked and closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.database import database_from_url
from sharetally.ports import Database
from sharetally.settings import Settings
from sharetally.wiring import check_database_exists, check_schema


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[tuple[Database, DatabaseClock]]:
    """The database and its clock; an error if there is no database or its schema is not the one we know."""
    check_database_exists(settings)
    database, clock = database_from_url(settings.database_url), DatabaseClock()
    await database.open()
    try:
        await check_schema(await database.schema.revision())
        await clock.measure(database.events)
        yield database, clock
    finally:
        await database.close()
