"""What goes in and out of the audit, tokens and health, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.schemas import ErrorBody, Link, PageSize, StartingAfter
from sharetally.web.schemas_fields import (
    Address,
    ContentType,
    Id,
    In,
    Moment,
    Out,
    PlatformName,
    Status,
    Time,
    UserId,
    Uuid,
)

_SCOPE = "(shares|audit|analytics|admin)"


class AuditWhich(In, rename={"start": "from", "end": "to"}, frozen=True):
    """Which lines of the audit; `from` is included, `to` is not."""

    contentType: ContentType | UnsetType = UNSET
    contentId: Id | UnsetType = UNSET
    platform: PlatformName | UnsetType = UNSET
    userId: Annotated[str, Meta(min_length=1, max_length=160)] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    action: Annotated[str, Meta(min_length=1, max_length=32, examples=["shared"])] | UnsetType = UNSET
    start: Moment | UnsetType = UNSET
    end: Moment | UnsetType = UNSET
    requestId: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET


class AuditQuery(AuditWhich, frozen=True):
    """A page of which lines."""

    pageSize: PageSize = 50
    startingAfter: StartingAfter | UnsetType = UNSET


class ExportQuery(AuditWhich, frozen=True):
    """All of which lines, and how they are written."""

    format: Annotated[Literal["csv", "jsonl"], Meta(description="CSV for spreadsheets, or one JSON object a line.")] = (
        "csv"
    )


class CsvText(str):
    """A head, then a line of the audit each, newest first."""


class JsonLines(str):
    """A line of the audit each, newest first."""


class AuditLine(Out, frozen=True):
    """Who did what, when, with which outcome."""

    id: Uuid
    at: Time
    userId: Annotated[str, Meta(description="Whose share it is.")]
    actor: Annotated[str, Meta(description="Who acted: the user, or `key:<name>` for them.")]
    action: str
    platform: str | None
    contentType: str
    contentId: str
    status: Status | None
    error: ErrorBody | None
    requestId: str
    recordId: Annotated[Uuid, Meta(description="The record, link or correction.")]


class AuditLines(Out, frozen=True):
    """A page of the audit, newest first."""

    items: list[AuditLine]
    next: Uuid | None


class RecordBody(Out, frozen=True):
    """A share record as it stands."""

    id: Uuid
    contentType: str
    contentId: str
    platform: str
    userId: str
    status: Status
    evidence: Literal["declared", "posted"]
    attemptCount: int
    error: ErrorBody | None
    firstSharedAt: Time | None
    lastSharedAt: Time | None
    externalId: str | None
    externalUrl: Address | None


class RecordLife(Out, frozen=True):
    """What a `recordId` of the audit stands for, and all that happened to it.

    `record` is a share, `link` a share link; both are null for a correction.
    """

    record: RecordBody | None
    link: Link | None
    entries: Annotated[list[AuditLine], Meta(description="Oldest first; of more than 1,000 the newest.")]


class TokenBody(In, frozen=True):
    """Whom the token is for, what it may, and for how long."""

    userId: UserId
    scope: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description="Some of `shares`, `audit`, `analytics`, `admin`, separated by spaces; none that it lacks.",
            extra_json_schema={"pattern": rf"^\s*{_SCOPE}(\s+{_SCOPE})*\s*$"},
        ),
    ] = "shares"
    ttl: Annotated[int, Meta(ge=1, le=86_400, description="Seconds.")] = 300


class Token(Out, frozen=True):
    """A token for one's own front end."""

    token: str
    scope: str
    expiresAt: Time


class CheckBody(Out, omit_defaults=True, frozen=True):
    """How one thing that the service needs is."""

    status: Literal["ok", "down"]
    detail: str | UnsetType = UNSET


class HealthBody(Out, omit_defaults=True, frozen=True):
    """How this process is: `degraded` does its work, `unavailable` cannot."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, CheckBody] | UnsetType = UNSET
