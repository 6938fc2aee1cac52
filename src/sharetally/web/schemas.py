"""What goes in and out, as types: their constraints are checked, and told in the OpenAPI document.

Field names are those of the requirement documents, or follow them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

CONTENT_TYPE = r"^[a-z][a-z0-9_-]{0,31}$"
LABEL = r"^[A-Za-z0-9_.-]{1,64}$"

ContentType = Annotated[str, Meta(pattern=CONTENT_TYPE, description="The kind of content, like `video`.")]
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="1 to 128 code points, no control characters, no `/`, not `.` or `..`; compared exactly.",
    ),
]
Label = Annotated[str, Meta(pattern=LABEL, description="A channel or campaign; `none` means none.")]
Url = Annotated[str, Meta(min_length=1, max_length=2048, description="http(s), on a host of LINK_HOSTS.")]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its offset.")]
PlatformName = Annotated[str, Meta(min_length=1, max_length=32)]


class In(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body or query that takes no field it does not know."""


class Out(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


# shares


class ShareBody(In, frozen=True):
    """A share on one or more platforms; without `platforms`, on all that are allowed."""

    platforms: Annotated[list[PlatformName], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    mode: Literal["track_only", "server_post"] = "track_only"
    force: bool = False
    text: Annotated[str, Meta(max_length=5000)] = ""
    url: Url | UnsetType = UNSET


class ShareResultBody(Out, frozen=True):
    """One platform's outcome."""

    platform: str
    status: Literal["pending", "sending", "success", "failed", "unknown"]
    alreadyShared: bool
    evidence: Literal["declared", "posted"]
    shareUrl: str | None


class VideoShares(Out, frozen=True):
    """The outcome of a share of a video, in the order asked."""

    video_id: str
    mode: str
    results: list[ShareResultBody]


class ContentShares(Out, frozen=True):
    """The outcome of a share of any content, in the order asked."""

    contentType: str
    contentId: str
    mode: str
    results: list[ShareResultBody]


class ErrorBody(Out, frozen=True):
    """Why the caller's own share failed."""

    code: str
    message: str


class PlatformStatusBody(Out, omit_defaults=True, frozen=True):
    """One platform: shared by anyone, and by the caller."""

    platform: str
    shared: bool
    shareCount: Annotated[int, Meta(ge=0)]
    sharedByMe: bool
    lastSharedAt: datetime | UnsetType = UNSET
    myStatus: Literal["pending", "sending", "success", "failed", "unknown", "withdrawn"] | UnsetType = UNSET
    myError: ErrorBody | UnsetType = UNSET


class VideoStatus(Out, frozen=True):
    """Every allowed platform in the configured order."""

    video_id: str
    platforms: list[PlatformStatusBody]


class ContentStatus(Out, frozen=True):
    """Every allowed platform in the configured order."""

    contentType: str
    contentId: str
    platforms: list[PlatformStatusBody]


class RetryBody(Out, frozen=True):
    """The share that will be tried again."""

    platform: str
    status: Literal["pending"]
    attemptCount: int


class PlatformBody(Out, frozen=True):
    """An allowed platform and what it can do."""

    platform: str
    label: str
    intent: bool
    server_post: bool
    textLimit: int | None


class Platforms(Out, frozen=True):
    """The allowed platforms, in the configured order."""

    platforms: list[PlatformBody]


# links


class LinkBody(In, frozen=True):
    """A link to hand out; without `url`, CONTENT_URLS decides where it leads."""

    contentType: ContentType
    contentId: Id
    url: Url | None = None
    channelId: Label | None = None
    campaignId: Label | None = None
    expiresAt: Moment | None = None


class LinkPatch(In, frozen=True):
    """A JSON merge patch (RFC 7396): only what is there changes; null takes away."""

    url: Url | UnsetType = UNSET
    channelId: Label | UnsetType | None = UNSET
    campaignId: Label | UnsetType | None = UNSET
    expiresAt: Moment | UnsetType | None = UNSET


class Link(Out, frozen=True):
    """A share link."""

    id: str
    code: str
    shortUrl: str
    contentType: str
    contentId: str
    userId: str
    channelId: str | None
    campaignId: str | None
    url: str
    createdAt: datetime
    updatedAt: datetime
    expiresAt: datetime | None


class Links(Out, frozen=True):
    """A page of links, newest first."""

    items: list[Link]
    next: str | None


class PageQuery(In, frozen=True):
    """Paging: `startingAfter` is the `next` of the page before."""

    pageSize: Annotated[int, Meta(ge=1, le=200)] = 50
    startingAfter: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


class LinksQuery(PageQuery, frozen=True):
    """Which links."""

    contentType: ContentType | UnsetType = UNSET
    contentId: Id | UnsetType = UNSET
    userId: Id | UnsetType = UNSET
    campaignId: Label | UnsetType = UNSET


# counts


class Breakdown(Out, frozen=True):
    """Cells that are not zero; of channels and campaigns the 50 largest and `other`."""

    evidence: dict[str, int]
    channel: dict[str, int]
    campaign: dict[str, int]


class CountBody(Out, frozen=True):
    """A content's count; `version` rises with every change, `asOf` is the time of the last one."""

    contentType: str
    contentId: str
    shareCount: Annotated[int, Meta(ge=0)]
    breakdown: Breakdown
    version: int
    asOf: datetime | None


class CountQuery(In, frozen=True):
    """`consistent` adds what is committed and not yet counted."""

    consistent: bool = False


class ContentName(In, frozen=True):
    """A content."""

    contentType: ContentType
    contentId: Id


class CountsBody(In, frozen=True):
    """Contents to count."""

    contents: Annotated[list[ContentName], Meta(max_length=200)]


class Counts(Out, frozen=True):
    """Counts in the order asked."""

    counts: list[CountBody]


class AdjustmentBody(In, kw_only=True, frozen=True):
    """A correction of one content's count."""

    operation: Literal["increment", "decrement"]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    amount: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    channelId: Label | None = None
    campaignId: Label | None = None
    jobId: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET


class NamedAdjustment(AdjustmentBody, kw_only=True, frozen=True):
    """A correction that names its content."""

    contentType: ContentType
    contentId: Id


class AdjustmentsBody(In, frozen=True):
    """Corrections that are all written, or none."""

    adjustments: Annotated[list[NamedAdjustment], Meta(min_length=1, max_length=500)]


class JobId(Out, frozen=True):
    """The job that counts the correction."""

    jobId: str


class JobIds(Out, frozen=True):
    """The jobs that count the corrections, in order."""

    jobIds: list[str]


class CellBody(Out, frozen=True):
    """One cell: counted + pending - ledger = drift."""

    cell: str
    ledger: int
    pending: int
    counted: int
    drift: int


class Proof(Out, frozen=True):
    """The total and every cell of one content, from one snapshot."""

    contentType: str
    contentId: str
    ledger: int
    pending: int
    counted: int
    drift: int
    asOf: datetime
    cells: list[CellBody]


# audit and tokens


class AuditQuery(PageQuery, rename={"start": "from", "end": "to"}, frozen=True):
    """Which lines of the audit; `from` is included, `to` is not."""

    contentType: ContentType | UnsetType = UNSET
    contentId: Id | UnsetType = UNSET
    platform: PlatformName | UnsetType = UNSET
    userId: Annotated[str, Meta(min_length=1, max_length=160)] | UnsetType = UNSET
    status: Literal["pending", "sending", "success", "failed", "unknown", "withdrawn"] | UnsetType = UNSET
    action: Annotated[str, Meta(min_length=1, max_length=32)] | UnsetType = UNSET
    start: Moment | UnsetType = UNSET
    end: Moment | UnsetType = UNSET
    requestId: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET


class AuditLine(Out, frozen=True):
    """Who did what, when, with which outcome."""

    id: str
    at: datetime
    userId: str
    actor: str
    action: str
    platform: str | None
    contentType: str
    contentId: str
    status: str | None
    error: ErrorBody | None
    requestId: str
    recordId: str


class AuditLines(Out, frozen=True):
    """A page of the audit, newest first."""

    items: list[AuditLine]
    next: str | None


class TokenBody(In, frozen=True):
    """Whom the token is for; `ttl` in seconds."""

    userId: Id
    scope: Annotated[str, Meta(min_length=1, max_length=128)] = "shares"
    ttl: Annotated[int, Meta(ge=1, le=86_400)] = 300


class Token(Out, frozen=True):
    """A token for one's own front end."""

    token: str
    scope: str
    expiresAt: datetime


# operation


class CheckBody(Out, omit_defaults=True, frozen=True):
    """How one thing that the service needs is."""

    status: Literal["ok", "down"]
    detail: str | UnsetType = UNSET


class HealthBody(Out, omit_defaults=True, frozen=True):
    """How this process is: `degraded` does its work, `unavailable` cannot."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, CheckBody] | UnsetType = UNSET


class NoQuery(In, frozen=True):
    """Takes no parameters."""
