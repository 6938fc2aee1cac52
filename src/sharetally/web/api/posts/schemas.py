"""The bodies of posts."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.api.shares.schemas import PostStatusName
from sharetally.web.fields import ErrorBody, RequestModel, ResponseModel, Url, UtcDateTime, Uuid
from sharetally.web.paging import PageQuery


class PostsQuery(PageQuery, frozen=True):
    """Which posts, and which page of them."""

    status: Annotated[PostStatusName, Meta(description="Only posts with this status.")] | UnsetType = UNSET


class RecordPath(RequestModel, frozen=True, kw_only=False, rename="camel"):
    """`/{recordId}`: a share record."""

    record_id: Uuid


class PostItem(ResponseModel, frozen=True):
    """One post. `shortUrl` is its own short address, which its text contains."""

    id: Uuid
    recordId: Uuid
    contentType: str
    contentId: str
    platform: str
    userId: str
    accountId: Uuid
    status: PostStatusName
    text: str
    shortUrl: str
    createdAt: UtcDateTime
    scheduledAt: UtcDateTime | None
    finishedAt: UtcDateTime | None
    url: Annotated[str | None, Meta(description="The post at the platform.")]
    error: ErrorBody | None


class PostList(ResponseModel, frozen=True):
    """A page of posts, newest first."""

    items: list[PostItem]
    next: Annotated[str | None, Meta(description="What `startingAfter` takes for the next page.")]


MicroDollars = Annotated[int, Meta(ge=0, description="1,000,000 are one US dollar.", examples=[20_000_000])]


class PostBudget(ResponseModel, frozen=True):
    """What posts to one platform may cost in a UTC day, and have cost or reserved today."""

    platform: str
    budgetMicros: MicroDollars
    userBudgetMicros: Annotated[MicroDollars | None, Meta(description="For each user; null if there is no limit.")]
    spentMicros: MicroDollars
    unknownMicros: Annotated[
        MicroDollars, Meta(description="The part of `spentMicros` that posts have reserved which may not be there.")
    ]
    currency: Literal["USD"]
    resetsAt: UtcDateTime
    whenSpent: Annotated[Literal["wait", "fail"], Meta(description="What posts do once the budget is spent.")]


class PostBudgets(ResponseModel, frozen=True):
    """The platforms on which posts cost money."""

    items: list[PostBudget]


class DecideBody(RequestModel, frozen=True):
    """What a person found at the platform."""

    posted: Annotated[bool, Meta(description="Whether the post is there.")]
    url: Url | UnsetType = UNSET
