"""What several endpoints take in their path, query or body: content items, ids, and pages of a list.

The types of the paths do not check their values; the properties do, with errors that name the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.content import MAX_ID, MAX_TYPE, ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.web.fields import ContentType, Id, RequestModel, Uuid


class VideoPath(RequestModel, frozen=True, kw_only=False, rename="camel"):
    """`/videos/{videoId}`: a content item of type `video`."""

    video_id: Id

    @property
    def content(self) -> ContentRef:
        """The content item; `InvalidRequest` if the id is none."""
        return validated_content("video", self.video_id, id_name="videoId")


class ContentPath(RequestModel, frozen=True, kw_only=False, rename="camel"):
    """`/{contentType}/{contentId}`: any content item."""

    content_type: ContentType
    content_id: Id

    @property
    def content(self) -> ContentRef:
        """The content item; `InvalidRequest` if the type or the id is none."""
        return validated_content(self.content_type, self.content_id)


class IdPath(RequestModel, frozen=True, kw_only=False):
    """`/{id}`: whatever the endpoint identifies by a UUID."""

    id: Uuid

    @property
    def uuid(self) -> UUID:
        """The id; `NotFound` if it is none, because nothing has such an id."""
        return parse_path_id(self.id)


def parse_path_id(text: str, missing: str = "there is nothing with this id") -> UUID:
    """The UUID; `NotFound` if the text is none."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(missing) from None


def validated_content(kind: str, name: str, *, within: str = "", id_name: str = "contentId") -> ContentRef:
    """The content item; `InvalidRequest` names what is wrong. `within` is the place of both parts in the body."""
    if len(kind) <= MAX_TYPE and len(name) <= MAX_ID and (valid := _valid_content(kind, name)):
        return valid
    faults = [(f"{within}contentType", content_type_fault(kind)), (f"{within}{id_name}", id_fault(name))]
    raise InvalidRequest(*((where, fault) for where, fault in faults if fault))


@lru_cache(maxsize=4096)
def _valid_content(kind: str, name: str) -> ContentRef | None:
    return None if content_type_fault(kind) or id_fault(name) else ContentRef(type=kind, id=name)


# pages of a list: newest first, each naming where the next one starts

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
