"""Pages: newest first, each naming where the next one starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from sharetally.domain.errors import InvalidRequest


class _HasId(Protocol):
    @property
    def id(self) -> UUID: ...


class _HasStartingAfter(Protocol):
    @property
    def startingAfter(self) -> str | UnsetType: ...  # noqa: N802, the parameter's own name


T = TypeVar("T", bound=_HasId)


def starting_after(query: _HasStartingAfter) -> UUID | None:
    """Where the page starts."""
    if query.startingAfter is UNSET:
        return None
    try:
        return UUID(query.startingAfter)
    except ValueError:
        raise InvalidRequest(("startingAfter", "must be the `next` of an earlier page")) from None


def split_page(rows: Sequence[T], size: int) -> tuple[Sequence[T], str | None]:
    """The page, and its last id if there is more; `rows` is one longer than the page where there is."""
    return rows[:size], str(rows[size - 1].id) if len(rows) > size else None
