"""Pages: newest first, each naming where the next one starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from sharetally.domain.errors import InvalidRequest


class _Listed(Protocol):
    @property
    def id(self) -> UUID: ...


class _Paged(Protocol):
    @property
    def startingAfter(self) -> str | UnsetType: ...  # noqa: N802, the parameter's own name


T = TypeVar("T", bound=_Listed)


def starting_after(query: _Paged) -> UUID | None:
    """Where the page starts."""
    if query.startingAfter is UNSET:
        return None
    try:
        return UUID(query.startingAfter)
    except ValueError:
        raise InvalidRequest(("startingAfter", "must be the `next` of an earlier page")) from None


def page_of(found: Sequence[T], size: int) -> tuple[Sequence[T], str | None]:
    """The page, and its last id if there is more; `found` is one longer than the page where there is."""
    return found[:size], str(found[size - 1].id) if len(found) > size else None
