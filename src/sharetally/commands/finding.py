"""What a check of `doctor` has found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How serious it is; the value is what `doctor` prints before the line."""

    OK = "ok"
    WARNING = "warn"
    WRONG = "WRONG"


class Finding(NamedTuple):
    """One line: what was checked, and what is to be said about it."""

    level: Level
    name: str
    text: str
