"""What clients of `/live` say, and what they hear beside counts."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.fields import ContentType, Id, RequestModel, ResponseModel, UtcDateTime

MAX_CONTENT_ITEMS = 200  # contents in one message


class FollowBody(RequestModel, frozen=True):
    """A content, and the version of its count that the client has."""

    contentType: ContentType
    contentId: Id
    version: Annotated[int, Meta(ge=0, description="Known already: nothing is told until it is another.")] | None = None


class LiveMessage(RequestModel, frozen=True):
    """What a client says: any of these, obeyed in this order."""

    token: Annotated[str, Meta(description="A token or an API key, for what needs one.")] | UnsetType = UNSET
    unsubscribe: Annotated[list[FollowBody], Meta(max_length=MAX_CONTENT_ITEMS)] | Literal["activity"] | UnsetType = (
        UNSET
    )
    subscribe: Annotated[list[FollowBody], Meta(max_length=MAX_CONTENT_ITEMS)] | Literal["activity"] | UnsetType = UNSET


class MinuteBody(ResponseModel, frozen=True):
    """Shares made in a minute on a channel, so far."""

    minute: UtcDateTime
    channel: str
    shares: int


class ActivityBody(ResponseModel, frozen=True):
    """The last hour at first, then the minutes that changed."""

    activity: list[MinuteBody]
