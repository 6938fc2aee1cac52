"""Whether commits are durable, by the settings of the server that decide it; each engine names its own."""

from __future__ import annotations

from collections.abc import Mapping

from sharetally.adapters.databases.engine import Engine
from sharetally.ports.durability import Durability


class SqlDurability(Durability):
    """Reads each setting as a session of ours has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def weak_settings(self) -> Mapping[str, str]:
        """Compare each setting with the values that are safe."""
        weak = {}
        async with self._engine.read_connection() as connection:
            for name, (statement, safe) in self._engine.durable_settings.items():
                ((value,),) = [tuple(row.values()) for row in await connection.rows_of_sql(statement, {})]
                if str(value) not in safe:
                    weak[name] = str(value)
        return weak
