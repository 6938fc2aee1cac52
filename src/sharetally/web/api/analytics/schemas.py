"""What goes in and out of analytics and content details, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.fields import (
    ContentType,
    Id,
    Label,
    LocalDateTime,
    OffsetDateTime,
    RequestModel,
    ResponseModel,
    ShareCount,
    UriReference,
)

Bucket = Literal["15m", "hour", "day"]
GroupBy = Literal["channel", "evidence", "contentType"]
Timezone = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="An IANA time zone.", examples=["Europe/Berlin"]),
]
IntervalText = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]{0,3}[mhdw]|P[1-9][0-9]{0,3}[DW]|PT[1-9][0-9]{0,3}[MH])\Z",
        description="A length of time, `7d` or `P7D`, `24h` or `PT24H`, that begins at `from`, or ends at `to` or now. "
        "Days are calendar days of the time zone, the last one included: `1d` is today.",
        examples=["7d"],
    ),
]
SharesMade = Annotated[int, Meta(description="Shares made; below 0 where links moved to another channel.")]
SharesWithdrawn = Annotated[int, Meta(description="Shares withdrawn.")]
NetShares = Annotated[int, Meta(description="made - withdrawn.")]


class TimeRangeQuery(RequestModel, rename={"start": "from", "end": "to"}, frozen=True):
    """Which time, in which zone; without any of it the last 7 days."""

    interval: IntervalText | UnsetType = UNSET
    start: Annotated[OffsetDateTime, Meta(examples=["2026-11-16T00:00:00Z"])] | UnsetType = UNSET
    end: Annotated[OffsetDateTime, Meta(examples=["2026-12-01T00:00:00Z"])] | UnsetType = UNSET
    timezone: Timezone = "UTC"
    contentType: ContentType | UnsetType = UNSET
    channel: Label | UnsetType = UNSET


class SharesQuery(TimeRangeQuery, frozen=True):
    """Which shares, by which buckets and groups."""

    contentId: Annotated[Id, Meta(description="Needs `contentType`.")] | UnsetType = UNSET
    bucket: Annotated[Bucket, Meta(description="1,500 buckets at most.")] = "day"
    groupBy: Annotated[GroupBy, Meta(description="A series each, the 20 largest and `other`.")] | UnsetType = UNSET


class TopQuery(TimeRangeQuery, frozen=True):
    """The most shared of which time."""

    limit: Annotated[int, Meta(ge=1, le=100, description="How many at most.")] = 20


class SumBody(ResponseModel, frozen=True):
    """What was made, what was withdrawn, and what is left of it."""

    made: SharesMade
    withdrawn: SharesWithdrawn
    shares: NetShares


class PointBody(ResponseModel, frozen=True):
    """One bucket, by its begin."""

    at: LocalDateTime
    made: SharesMade
    withdrawn: SharesWithdrawn
    shares: NetShares


class SeriesBody(ResponseModel, frozen=True):
    """One group, with a point for each bucket; `all` where nothing is told apart, `none` for no channel."""

    name: str
    made: SharesMade
    withdrawn: SharesWithdrawn
    shares: NetShares
    points: list[PointBody]


class SharesOverTime(ResponseModel, rename={"start": "from", "end": "to"}, frozen=True):
    """Shares over time; `from` and `to` are what was asked for, widened to whole buckets."""

    start: LocalDateTime
    end: LocalDateTime
    bucket: Bucket
    timezone: str
    groupBy: GroupBy | None
    total: SumBody
    series: Annotated[list[SeriesBody], Meta(description="Largest first.")]


class TopItem(ResponseModel, frozen=True):
    """A content with what happened to it in the time asked for, and its count."""

    contentType: str
    contentId: str
    title: str | None
    image: UriReference | None
    url: UriReference | None
    made: SharesMade
    withdrawn: SharesWithdrawn
    shares: NetShares
    shareCount: ShareCount


class Top(ResponseModel, frozen=True):
    """The most shared first."""

    items: list[TopItem]
