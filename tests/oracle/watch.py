"""`verify --json` every few seconds while the load runs: drift must be 0 every time, not only at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.oracle.system import System

EXIT_UNVERIFIED = 2  # exit code
EVERY = 3.0  # seconds from one look's end to the next


@dataclass(slots=True)
class VerificationWatch:
    """How often it looked, and every line of drift that it saw."""

    system: System
    every: float = EVERY
    looks: int = 0
    drifted: list[str] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # while it is held, `verify` does not run

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self.every)
            async with self.lock:
                await self.verify()

    async def verify(self) -> None:
        """Look once, or again if it could not; that it cannot look twice is as bad as drift."""
        said = await self.system.cli("verify", "--json")
        if said.code == EXIT_UNVERIFIED:
            said = await self.system.cli("verify", "--json")
        self.looks += 1
        if said.code == 0 and said.json()["drift"] == 0:
            return
        where = f"look {self.looks}, exit {said.code}"
        found = said.json()["drifted"] if said.code == 1 else [said.err.strip() or said.out.strip()]
        self.drifted += [f"{where}: {line}" for line in found]
