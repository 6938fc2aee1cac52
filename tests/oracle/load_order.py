"""What passes between a crowd and its crews: the order before, the report after."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.oracle.expected import Expected
from tests.oracle.shared_bounds import BoundsLog
from tests.oracle.tally import Tally


@dataclass(frozen=True, kw_only=True)
class LoadOrder:
    """What one process does: clients are numbered from `first`, `part` selects content items, `rate` is per client."""

    folder: str
    name: str
    ports: Sequence[int]
    secret: str
    seconds: float
    clients: int
    first: int
    seed: int
    part: int
    rate: float | None

    @property
    def report(self) -> Path:
        """Where it leaves what it was promised."""
        return Path(self.folder) / f"{self.name}.pickle"

    @property
    def journal(self) -> Path:
        """Its clients' log; there from when it begins."""
        return Path(self.folder) / f"{self.name}.jsonl"

    @property
    def log(self) -> Path:
        """The order as JSON."""
        return Path(self.folder) / f"{self.name}.log"

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a crew was promised, and its notes about shared content items."""

    expected: Expected
    tally: Tally
    notes: dict[Hashable, BoundsLog]
