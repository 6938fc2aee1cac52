"""The bodies and queries of content items with their titles."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.content_details import MAX_TITLE
from sharetally.web.fields import (
    LINE,
    ContentType,
    RequestModel,
    ResponseModel,
    ShareCount,
    UriReference,
    UtcDateTime,
    WebUrl,
)


class ContentBody(RequestModel, frozen=True):
    """What people are shown of a content; what is missing or null is forgotten."""

    title: Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, extra_json_schema={"pattern": LINE})] | None = None
    image: Annotated[WebUrl, Meta(description="Of a picture; http(s).")] | None = None
    url: Annotated[WebUrl, Meta(description="Where it lives; without it CONTENT_URLS decides.")] | None = None


class ContentItem(ResponseModel, frozen=True):
    """A content; `url` is its own, else what CONTENT_URLS says. `updatedAt` is null where nothing was ever told."""

    contentType: str
    contentId: str
    title: str | None
    image: UriReference | None
    url: UriReference | None
    urlSource: Annotated[
        Literal["own", "settings"] | None,
        Meta(description="Whether `url` was told (`own`) or comes from CONTENT_URLS (`settings`); null without one."),
    ]
    shareCount: ShareCount
    updatedAt: UtcDateTime | None


class ContentsQuery(RequestModel, frozen=True):
    """Which contents."""

    query: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=MAX_TITLE,
                description="The begin of an id, exactly, or words of a title, or their begins, in any case.",
                examples=["look"],
            ),
        ]
        | UnsetType
    ) = UNSET
    contentType: ContentType | UnsetType = UNSET
    pageSize: Annotated[int, Meta(ge=1, le=200, description="Items on a page.")] = 50
    startingAfter: (
        Annotated[
            str,
            Meta(max_length=161, description="The `next` of the page before.", examples=["video:dQw4w9WgXcQ"]),
        ]
        | UnsetType
    ) = UNSET


class Contents(ResponseModel, frozen=True):
    """A page of contents, by type and id."""

    items: list[ContentItem]
    next: str | None
