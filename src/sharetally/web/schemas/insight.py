"""What goes in and out of analytics and content details, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.details import MAX_TITLE
from sharetally.web.schemas.fields import (
    LINE,
    Address,
    ContentType,
    Id,
    In,
    Label,
    LocalTime,
    Moment,
    Out,
    Shares,
    Time,
    WebUrl,
)

Bucket = Literal["15m", "hour", "day"]
GroupBy = Literal["channel", "evidence", "contentType"]
Timezone = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="An IANA time zone.", examples=["Europe/Berlin"]),
]
Length = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]{0,3}[mhdw]|P[1-9][0-9]{0,3}[DW]|PT[1-9][0-9]{0,3}[MH])\Z",
        description="A length of time, `7d` or `P7D`, `24h` or `PT24H`, that begins at `from`, or ends at `to` or now. "
        "Days are calendar days of the time zone, the last one included: `1d` is today.",
        examples=["7d"],
    ),
]
Made = Annotated[int, Meta(description="Shares made; below 0 where links moved to another channel.")]
Withdrawn = Annotated[int, Meta(description="Shares withdrawn.")]
Left = Annotated[int, Meta(description="made - withdrawn.")]


class SpanQuery(In, rename={"start": "from", "end": "to"}, frozen=True):
    """Which time, in which zone; without any of it the last 7 days."""

    interval: Length | UnsetType = UNSET
    start: Annotated[Moment, Meta(examples=["2026-11-16T00:00:00Z"])] | UnsetType = UNSET
    end: Annotated[Moment, Meta(examples=["2026-12-01T00:00:00Z"])] | UnsetType = UNSET
    timezone: Timezone = "UTC"
    contentType: ContentType | UnsetType = UNSET
    channel: Label | UnsetType = UNSET


class SharesQuery(SpanQuery, frozen=True):
    """Which shares, by which buckets and groups."""

    contentId: Annotated[Id, Meta(description="Needs `contentType`.")] | UnsetType = UNSET
    bucket: Annotated[Bucket, Meta(description="1,500 buckets at most.")] = "day"
    groupBy: Annotated[GroupBy, Meta(description="A series each, the 20 largest and `other`.")] | UnsetType = UNSET


class TopQuery(SpanQuery, frozen=True):
    """The most shared of which time."""

    limit: Annotated[int, Meta(ge=1, le=100, description="How many at most.")] = 20


class SumBody(Out, frozen=True):
    """What was made, what was withdrawn, and what is left of it."""

    made: Made
    withdrawn: Withdrawn
    shares: Left


class PointBody(Out, frozen=True):
    """One bucket, by its begin."""

    at: LocalTime
    made: Made
    withdrawn: Withdrawn
    shares: Left


class SeriesBody(Out, frozen=True):
    """One group, with a point for each bucket; `all` where nothing is told apart, `none` for no channel."""

    name: str
    made: Made
    withdrawn: Withdrawn
    shares: Left
    points: list[PointBody]


class SharesOverTime(Out, rename={"start": "from", "end": "to"}, frozen=True):
    """Shares over time; `from` and `to` are what was asked for, widened to whole buckets."""

    start: LocalTime
    end: LocalTime
    bucket: Bucket
    timezone: str
    groupBy: GroupBy | None
    total: SumBody
    series: Annotated[list[SeriesBody], Meta(description="Largest first.")]


class TopItem(Out, frozen=True):
    """A content with what happened to it in the time asked for, and its count."""

    contentType: str
    contentId: str
    title: str | None
    image: Address | None
    url: Address | None
    made: Made
    withdrawn: Withdrawn
    shares: Left
    shareCount: Shares


class Top(Out, frozen=True):
    """The most shared first."""

    items: list[TopItem]


class ContentBody(In, frozen=True):
    """What people are shown of a content; what is missing or null is forgotten."""

    title: Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, extra_json_schema={"pattern": LINE})] | None = None
    image: Annotated[WebUrl, Meta(description="Of a picture; http(s).")] | None = None
    url: Annotated[WebUrl, Meta(description="Where it lives; without it CONTENT_URLS decides.")] | None = None


class ContentItem(Out, frozen=True):
    """A content; `url` is its own, else what CONTENT_URLS says. `updatedAt` is null where nothing was ever told."""

    contentType: str
    contentId: str
    title: str | None
    image: Address | None
    url: Address | None
    urlSource: Annotated[
        Literal["own", "settings"] | None,
        Meta(description="Whether `url` was told (`own`) or comes from CONTENT_URLS (`settings`); null without one."),
    ]
    shareCount: Shares
    updatedAt: Time | None


class ContentsQuery(In, frozen=True):
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


class Contents(Out, frozen=True):
    """A page of contents, by type and id."""

    items: list[ContentItem]
    next: str | None
