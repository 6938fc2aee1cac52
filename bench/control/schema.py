"""`python -m bench.control.schema`: create the tables."""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import create_async_engine

from bench.control.models import Model
from bench.control.settings import from_environment


async def create(url: str) -> None:
    """Create the tables in an empty database."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(Model.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(create(from_environment().database_url))
