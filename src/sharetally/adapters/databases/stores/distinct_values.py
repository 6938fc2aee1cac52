"""The different values of an indexed column of which a large table has few."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases.connection import Connection


async def distinct_values(connection: Connection, column: sa.Column[Any], *, at_most: int | None = None) -> list[str]:
    """Every value of the first column of an index, sorted; each is found by a seek behind the one before it."""
    found = list[str]()
    while at_most is None or len(found) < at_most:
        following = sa.select(column).where(column > (found[-1] if found else "")).order_by(column).limit(1)
        rows = await connection.rows(following)
        if not rows:
            break
        found.append(rows[0][column.name])
    return found
