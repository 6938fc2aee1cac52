"""The bodies of shares. Field names are those of the requirement documents, or follow them."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from sharetally.web.fields import (
    ID,
    PROSE,
    ErrorBody,
    Evidence,
    LiveStatus,
    OffsetDateTime,
    PlatformName,
    RequestModel,
    ResponseModel,
    ShareCount,
    Status,
    Url,
    UtcDateTime,
    Uuid,
)
from sharetally.web.parameters import ContentPath, VideoPath

Platform = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="A platform's name; case does not matter, `x` is `twitter`.",
        examples=["twitter"],
        extra_json_schema={"pattern": ID, "not": {"enum": [".", ".."]}},
    ),
]
Mode = Literal["track_only", "server_post"]
PostStatusName = Literal["pending", "sending", "success", "failed", "unknown", "cancelled"]


class WithdrawQuery(RequestModel, frozen=True):
    """How to withdraw."""

    deletePost: Annotated[
        bool, Meta(description="Delete the post at the platform too, where the platform allows it.")
    ] = False


class VideoPlatformPath(VideoPath, frozen=True, kw_only=False, rename="camel"):
    """A video and a platform."""

    platform: Platform


class ContentPlatformPath(ContentPath, frozen=True, kw_only=False, rename="camel"):
    """Any content item and a platform."""

    platform: Platform


class ShareBody(RequestModel, frozen=True):
    """A share on one or more platforms; without `platforms`, on all of SHARE_PLATFORMS."""

    platforms: (
        Annotated[
            list[PlatformName],
            Meta(min_length=1, max_length=64, description="Where; results keep this order, repeats fold."),
        ]
        | UnsetType
    ) = UNSET
    mode: Annotated[
        Mode,
        Meta(description="`track_only` records a declared share; `server_post` posts it from the user's accounts."),
    ] = "track_only"
    force: Annotated[bool, Meta(description="Share again what is shared already; the count does not move.")] = False
    text: Annotated[
        str,
        Meta(
            max_length=15_000,  # with 4 bytes each, a post and its address fit into 64 KiB
            description="What the share page or the post starts with; each platform has a limit of its own.",
            extra_json_schema={"pattern": PROSE},
        ),
    ] = ""
    url: Url | UnsetType = UNSET
    accounts: Annotated[
        dict[PlatformName, Uuid],
        Meta(max_length=64, description="With `server_post`: which of your accounts posts, by platform."),
    ] = field(default_factory=dict)
    scheduledAt: OffsetDateTime | UnsetType = UNSET


class PostBody(ResponseModel, omit_defaults=True, frozen=True):
    """A post that was requested with a share; `error` explains a failure, or why it still waits."""

    id: Uuid
    accountId: Uuid
    status: PostStatusName
    scheduledAt: UtcDateTime | UnsetType = UNSET
    url: Annotated[str, Meta(description="The post at the platform.")] | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


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
    post: PostBody | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET


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


class PlatformStatusBody(ResponseModel, omit_defaults=True, frozen=True):
    """One platform: shared by anyone, and by the caller."""

    platform: str
    shared: bool
    shareCount: ShareCount
    sharedByMe: bool
    lastSharedAt: UtcDateTime | UnsetType = UNSET
    myStatus: Status | UnsetType = UNSET
    myError: ErrorBody | UnsetType = UNSET
    myPost: PostBody | UnsetType = UNSET


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
    status: Annotated[
        Literal["pending", "unknown"],
        Meta(description="`unknown`: the platform is searched for the post before anything is sent."),
    ]
    attemptCount: Annotated[int, Meta(ge=1)]


class TextRuleBody(ResponseModel, frozen=True):
    """How the platform counts the text of a post. The service decides: it answers 400 to a text that is too long."""

    unit: Annotated[
        Literal["characters", "utf16", "graphemes", "weighted", "emoji-bytes"],
        Meta(
            description="What counts as one: a code point, a unit of UTF-16, what a person sees as one character; "
            "`weighted` is X's measure, and with `emoji-bytes` an emoji counts as many as it has bytes in UTF-8."
        ),
    ]
    limit: Annotated[int, Meta(ge=1)]
    linkLength: Annotated[int, Meta(ge=1, description="What the short link takes that every post gets.")]
    urlLength: Annotated[int | None, Meta(description="What any other address takes; null: as much as it is long.")]


class PlatformBody(ResponseModel, frozen=True):
    """An allowed platform and what it can do."""

    platform: str
    label: Annotated[str, Meta(description="As people write it.")]
    intent: Annotated[bool, Meta(description="Whether it has a share page to open.")]
    server_post: Annotated[bool, Meta(description="Whether this service can post there.")]
    textLimit: Annotated[int | None, Meta(description="Longest text in the platform's own measure.")]
    textRule: TextRuleBody | UnsetType = UNSET


class Platforms(ResponseModel, frozen=True):
    """The platforms of SHARE_PLATFORMS, in their order; `native` and `copy` need not be among them."""

    platforms: list[PlatformBody]
