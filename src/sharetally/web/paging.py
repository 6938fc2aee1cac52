"""Pages of a list, newest first: each page names where the next one starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.errors import InvalidRequest
from sharetally.web.fields import RequestModel

PageSize = Annotated[int, Meta(ge=1, le=200, description="Items on a page.")]
StartingAfter = Annotated[
    str, Meta(max_length=64, description="The `next` of the page before.", extra_json_schema={"format": "uuid"})
]


class PageQuery(RequestModel, frozen=True):
    """Paging: `startingAfter` is the `next` of the page before."""

    pageSize: PageSize = 50  # noqa: N815
    startingAfter: StartingAfter | UnsetType = UNSET  # noqa: N815


class _HasId(Protocol):
    @property
    def id(self) -> UUID: ...


class _HasStartingAfter(Protocol):
    @property
    def startingAfter(self) -> str | UnsetType: ...  # noqa: N802, the parameter's own name


T = TypeVar("T", bound=_HasId)


def starting_after(query: _HasStartingAfter) -> UUID | None:
    """The id after which the page starts; None for the first page."""
    if query.startingAfter is UNSET:
        return None
    try:
        return UUID(query.startingAfter)
    except ValueError:
        raise InvalidRequest(("startingAfter", "must be the `next` of an earlier page")) from None


def split_page(rows: Sequence[T], size: int) -> tuple[Sequence[T], str | None]:
    """The page, and its last id if there are more rows; for that, `rows` contains one row more than the page."""
    return rows[:size], str(rows[size - 1].id) if len(rows) > size else None
