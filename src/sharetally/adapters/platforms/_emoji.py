"""Which parts of a text are emoji, as X and Threads see them when they count characters."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def emoji_pattern() -> re.Pattern[str]:
    """Matches one emoji with its modifiers and joined parts."""
    return re.compile("".join(data_lines("sharetally.adapters.platforms", "_emoji.txt")))


def data_lines(package: str, name: str) -> list[str]:
    """The lines of a data file of this package, without its notes, which begin with `#`."""
    lines = files(package).joinpath(name).read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]
