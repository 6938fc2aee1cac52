"""Pages: newest first, each naming where the next one starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from msgspec import UNSET

from sharetally.domain.errors import InvalidRequest
from sharetally.web.schemas import PageQuery


class _Listed(Protocol):
    @property
    def id(self) -> UUID: ...


T = TypeVar("T", bound=_Listed)


def starting_after(query: PageQuery) -> UUID | None:
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
