"""The rows, one file each; every module here that defines ROW is found without being registered."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from importlib import import_module

from bench.row import Row


def discover_rows() -> list[Row]:
    """All rows in the order of the table."""
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return sorted((module.ROW for module in modules), key=lambda row: row.order)


def choose(every: Iterable[Row], *, full: bool, names: Sequence[str]) -> list[Row]:
    """The rows with these names, or all that belong to this run; ValueError for an unknown name."""
    known = {row.name: row for row in every}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no such row: {', '.join(unknown)}; choose from {', '.join(known)}")
    return [known[name] for name in names] or [row for row in known.values() if full or not row.full]
