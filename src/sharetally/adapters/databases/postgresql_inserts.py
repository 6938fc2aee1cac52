"""PostgreSQL: the new rows of a batch, in however many tables, as ONE statement.

What it costs to send rows is what it costs to send their values. So where all rows of a table agree (the same
moment, the same action, no error) the value travels once, and a column that stands in two tables (the content
of a record and of its audit) travels once for both. There are few forms of such a statement; each is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from sharetally.adapters.databases.connection import Part

# Columns in which the rows of a batch mostly agree. Of each group all or none: else there were a form for each batch.
STEADY = (
    frozenset(
        {
            "action", "at", "attempt_count", "campaign", "delta", "error_code", "error_message", "external_id",
            "external_url", "first_shared_at", "from_campaign", "from_channel", "from_evidence", "job",
            "last_shared_at", "moved", "payload", "status",
        }
    ),
    frozenset({"content_type", "evidence"}),
)  # fmt: skip
FORMS = 200  # kept at most


class _Place(NamedTuple):
    """Where a column's values travel: `$number`, one for each row or one for all."""

    number: int
    kind: str
    array: bool

    def __str__(self) -> str:
        return f"${self.number}::{self.kind}{'[]' if self.array else ''}"


class _Freight:
    """What travels: each value or list of values once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: list[_Place] = []

    def place(self, kind: str, value: object, *, array: bool) -> _Place:
        """Where this travels; `==` of two tuples looks at identity first, so it costs little."""
        for place, known in zip(self._places, self.values, strict=True):
            if place.kind == kind and place.array == array and known == value:
                return place
        self.values.append(value)
        made = _Place(len(self.values), kind, array)
        self._places.append(made)
        return made


class Inserts:
    """Writes the statements; `kind` tells a column's type as a cast names it."""

    def __init__(self, kind: Callable[[sa.Table, str], str]) -> None:
        self._kind = kind
        self._kinds: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        self._texts: dict[tuple[tuple[object, ...], ...], str] = {}

    def together(self, parts: Sequence[Part]) -> tuple[str, list[Any]]:
        """The statement, and its arguments in order."""
        freight = _Freight()
        forms = [self._laid(part, freight) for part in parts]
        key = tuple((part.table.name, part.columns, tuple(form)) for part, form in zip(parts, forms, strict=True))
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= FORMS:
                self._texts.clear()
            text = self._texts[key] = _joined([_insert(*each) for each in zip(parts, forms, strict=True)])
        return text, freight.values

    def _laid(self, part: Part, freight: _Freight) -> list[_Place]:
        taken = dict(zip(part.columns, zip(*part.rows, strict=True), strict=True))
        steady = _steady(taken)
        return [
            freight.place(kind, values[0] if name in steady else values, array=name not in steady)
            for (name, values), kind in zip(taken.items(), self._kinds_of(part), strict=True)
        ]

    def _kinds_of(self, part: Part) -> list[str]:
        key = (part.table.name, part.columns)
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = [self._kind(part.table, name) for name in part.columns]
        return found


def _steady(columns: dict[str, tuple[object, ...]]) -> set[str]:
    """The columns of the groups in which all rows agree in every column."""
    found = set[str]()
    for group in STEADY:
        there = group & columns.keys()
        if all(columns[name].count(columns[name][0]) == len(columns[name]) for name in there):
            found |= there
    return found


def _insert(part: Part, form: Sequence[_Place]) -> str:
    """INSERT … SELECT of what differs from arrays, of what does not from single values."""
    named = list(zip(part.columns, form, strict=True))
    wanted = ", ".join(f'n."{name}"' if place.array else str(place) for name, place in named)
    arrays = ", ".join(str(place) for _, place in named if place.array)
    names = ", ".join(f'"{name}"' for name, place in named if place.array)
    into = ", ".join(f'"{name}"' for name in part.columns)
    return f"INSERT INTO {part.table.name} ({into}) SELECT {wanted} FROM unnest({arrays}) AS n({names})"


def _joined(texts: Sequence[str]) -> str:
    """Each INSERT but the last in a WITH: all see the same snapshot, and none needs another's rows."""
    *others, last = texts
    before = ", ".join(f"w{number} AS ({text})" for number, text in enumerate(others))
    return f"WITH {before} {last}" if others else last
