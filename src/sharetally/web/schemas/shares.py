"""What goes in and out of shares and share links, as types.

Field names are those of the requirement documents, or follow them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.schemas.fields import (
    PROSE,
    ContentType,
    Evidence,
    Id,
    Label,
    LiveStatus,
    OffsetDateTime,
    PlatformName,
    RequestModel,
    ResponseModel,
    ShareCount,
    Status,
    UriReference,
    Url,
    UserId,
    UtcDateTime,
    Uuid,
)

Mode = Literal["track_only", "server_post"]


class NoQuery(RequestModel, frozen=True):
    """Takes no parameters."""


PageSize = Annotated[int, Meta(ge=1, le=200, description="Items on a page.")]
StartingAfter = Annotated[
    str, Meta(max_length=64, description="The `next` of the page before.", extra_json_schema={"format": "uuid"})
]


class PageQuery(RequestModel, frozen=True):
    """Paging: `startingAfter` is the `next` of the page before."""

    pageSize: PageSize = 50
    startingAfter: StartingAfter | UnsetType = UNSET


# shares


class ShareBody(RequestModel, frozen=True):
    """A share on one or more platforms; without `platforms`, on all of SHARE_PLATFORMS."""

    platforms: (
        Annotated[
            list[PlatformName],
            Meta(min_length=1, max_length=64, description="Where; results keep this order, repeats fold."),
        ]
        | UnsetType
    ) = UNSET
    mode: Annotated[Mode, Meta(description="`track_only` records what the user declares.")] = "track_only"
    force: Annotated[bool, Meta(description="Share again what is shared already; the count does not move.")] = False
    text: Annotated[
        str,
        Meta(max_length=5000, description="What the share page starts with.", extra_json_schema={"pattern": PROSE}),
    ] = ""
    url: Url | UnsetType = UNSET


class ShareResultBody(ResponseModel, frozen=True):
    """One platform's outcome."""

    platform: str
    status: LiveStatus
    alreadyShared: Annotated[bool, Meta(description="Whether it was live before; then nothing changed.")]
    evidence: Annotated[
        Evidence,
        Meta(description="A visitor or the user said so, or the platform confirmed it."),
    ]
    shareUrl: Annotated[str | None, Meta(description="The platform's share page to open, or the bare link.")]


class VideoShares(ResponseModel, frozen=True):
    """The outcome of a share of a video, in the order asked."""

    video_id: str
    mode: Mode
    results: list[ShareResultBody]


class ContentShares(ResponseModel, frozen=True):
    """The outcome of a share of any content, in the order asked."""

    contentType: str
    contentId: str
    mode: Mode
    results: list[ShareResultBody]


class ErrorBody(ResponseModel, frozen=True):
    """Why a share failed."""

    code: Annotated[str, Meta(examples=["rejected"])]
    message: Annotated[str, Meta(examples=["The platform said no."])]


class PlatformStatusBody(ResponseModel, omit_defaults=True, frozen=True):
    """One platform: shared by anyone, and by the caller."""

    platform: str
    shared: bool
    shareCount: ShareCount
    sharedByMe: bool
    lastSharedAt: UtcDateTime | UnsetType = UNSET
    myStatus: Status | UnsetType = UNSET
    myError: ErrorBody | UnsetType = UNSET


class VideoStatus(ResponseModel, frozen=True):
    """Every allowed platform in the configured order."""

    video_id: str
    platforms: list[PlatformStatusBody]


class ContentStatus(ResponseModel, frozen=True):
    """Every allowed platform in the configured order."""

    contentType: str
    contentId: str
    platforms: list[PlatformStatusBody]


class RetryBody(ResponseModel, frozen=True):
    """The share that will be tried again."""

    platform: str
    status: Literal["pending"]
    attemptCount: Annotated[int, Meta(ge=1)]


class PlatformBody(ResponseModel, frozen=True):
    """An allowed platform and what it can do."""

    platform: str
    label: Annotated[str, Meta(description="As people write it.")]
    intent: Annotated[bool, Meta(description="Whether it has a share page to open.")]
    server_post: Annotated[bool, Meta(description="Whether this service can post there.")]
    textLimit: Annotated[int | None, Meta(description="Longest text in the platform's own measure.")]


class Platforms(ResponseModel, frozen=True):
    """The platforms of SHARE_PLATFORMS, in their order; `native` and `copy` need not be among them."""

    platforms: list[PlatformBody]


# share links


class LinkBody(RequestModel, frozen=True):
    """A link to hand out; without `url`, CONTENT_URLS decides where it leads."""

    contentType: ContentType
    contentId: Id
    url: Url | None = None
    channelId: Label | None = None
    campaignId: Label | None = None
    expiresAt: OffsetDateTime | None = None


class LinkPatch(RequestModel, frozen=True):
    """A JSON merge patch (RFC 7396): only what is there changes; null takes away."""

    url: Url | UnsetType = UNSET
    channelId: Label | UnsetType | None = UNSET
    campaignId: Label | UnsetType | None = UNSET
    expiresAt: OffsetDateTime | UnsetType | None = UNSET


class Link(ResponseModel, frozen=True):
    """A share link."""

    id: Uuid
    code: str
    shortUrl: UriReference
    contentType: str
    contentId: str
    userId: str
    channelId: str | None
    campaignId: str | None
    url: UriReference
    createdAt: UtcDateTime
    updatedAt: UtcDateTime
    expiresAt: UtcDateTime | None


class Links(ResponseModel, frozen=True):
    """A page of links, newest first."""

    items: list[Link]
    next: Uuid | None


class LinksQuery(PageQuery, frozen=True):
    """Which links."""

    contentType: ContentType | UnsetType = UNSET
    contentId: Id | UnsetType = UNSET
    userId: UserId | UnsetType = UNSET
    campaignId: Label | UnsetType = UNSET
