"""What goes in and out of the audit, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.api.links.schemas import Link
from sharetally.web.fields import (
    ContentType,
    ErrorBody,
    Evidence,
    Id,
    OffsetDateTime,
    PlatformName,
    RequestModel,
    ResponseModel,
    Status,
    UriReference,
    UtcDateTime,
    Uuid,
)
from sharetally.web.paging import PageSize, StartingAfter


class RecordPath(RequestModel, frozen=True, kw_only=False, rename="camel"):
    """`/audit/records/{recordId}`."""

    record_id: Annotated[
        str, Meta(extra_json_schema={"format": "uuid"}, examples=["0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e40"])
    ]


class AuditFilterQuery(RequestModel, rename={"start": "from", "end": "to"}, frozen=True):
    """Which lines of the audit; `from` is included, `to` is not."""

    contentType: ContentType | UnsetType = UNSET
    contentId: Id | UnsetType = UNSET
    platform: PlatformName | UnsetType = UNSET
    userId: Annotated[str, Meta(min_length=1, max_length=160)] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    action: Annotated[str, Meta(min_length=1, max_length=32, examples=["shared"])] | UnsetType = UNSET
    start: OffsetDateTime | UnsetType = UNSET
    end: OffsetDateTime | UnsetType = UNSET
    requestId: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET


class AuditQuery(AuditFilterQuery, frozen=True):
    """A page of which lines."""

    pageSize: PageSize = 50
    startingAfter: StartingAfter | UnsetType = UNSET


class ExportQuery(AuditFilterQuery, frozen=True):
    """All of which lines, and how they are written."""

    format: Annotated[Literal["csv", "jsonl"], Meta(description="CSV for spreadsheets, or one JSON object a line.")] = (
        "csv"
    )


class CsvText(str):
    """A head, then a line of the audit each, newest first."""


class JsonLines(str):
    """A line of the audit each, newest first."""


class AuditLine(ResponseModel, frozen=True):
    """Who did what, when, with which outcome."""

    id: Uuid
    at: UtcDateTime
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


class AuditLines(ResponseModel, frozen=True):
    """A page of the audit, newest first."""

    items: list[AuditLine]
    next: Uuid | None


class RecordBody(ResponseModel, frozen=True):
    """A share record as it stands."""

    id: Uuid
    contentType: str
    contentId: str
    platform: str
    userId: str
    status: Status
    evidence: Evidence
    attemptCount: int
    error: ErrorBody | None
    firstSharedAt: UtcDateTime | None
    lastSharedAt: UtcDateTime | None
    externalId: str | None
    externalUrl: UriReference | None


class RecordHistory(ResponseModel, frozen=True):
    """What a `recordId` of the audit stands for, and all that happened to it.

    `record` is a share, `link` a share link; both are null for a correction.
    """

    record: RecordBody | None
    link: Link | None
    entries: Annotated[list[AuditLine], Meta(description="Oldest first; of more than 1,000 the newest.")]
