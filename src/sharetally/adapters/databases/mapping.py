"""Values to rows and back, for the tables that a transaction writes. What only a store reads is converted there.

Rows that are written are built once, as tuples of what the driver takes.
"""

from __future__ import annotations

import json

from sharetally.adapters.databases.statements import Binding, Row
from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell, Event
from sharetally.domain.link import ShareLink
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.ports import IdempotencyKey, StoredResponse

Values = tuple[object, ...]
NO_CELL = (None, None, None)
RECORD_CHANGES = (
    "status", "evidence", "attempt_count", "error_code", "error_message", "first_shared_at", "last_shared_at",
    "external_id", "external_url", "id",
)  # fmt: skip
RECORD_COLUMNS = ("content_type", "content_id", "platform", "user_id", *RECORD_CHANGES)
LINK_COLUMNS = (
    "code", "content_type", "content_id", "user_id", "channel", "campaign", "url", "created_at", "updated_at",
    "expires_at", "record_id", "deleted_at", "id",
)  # fmt: skip
AUDIT_COLUMNS = (
    "id", "at", "subject_id", "content_type", "content_id", "user_id", "actor", "action", "platform", "status",
    "error_code", "error_message", "request_id",
)  # fmt: skip
EVENT_COLUMNS = (
    "id", "job", "content_type", "content_id", "at", "delta", "moved", "evidence", "channel", "campaign",
    "from_evidence", "from_channel", "from_campaign", "platform", "share_id", "user_id", "request_id", "payload",
)  # fmt: skip
ADJUSTMENT_COLUMNS = (
    "id", "request_key", "content_type", "content_id", "amount", "evidence", "channel", "campaign", "platform",
    "reason", "actor",
)  # fmt: skip
RESPONSE_COLUMNS = ("caller", "key", "request_hash", "status", "headers", "body")


def content_of(row: Row) -> ContentRef:
    """The content that a row is about."""
    return ContentRef(type=row["content_type"], id=row["content_id"])


def record_changes(record: ShareRecord, bind: Binding) -> Values:
    """What may change of a record, in the order of `RECORD_CHANGES`."""
    return (
        record.status.value,
        record.evidence.value,
        record.attempt_count,
        record.error_code,
        record.error_message,
        bind.time(record.first_shared_at),
        bind.time(record.last_shared_at),
        record.external_id,
        record.external_url,
        bind.id(record.id),
    )


def record_row(record: ShareRecord, bind: Binding) -> Values:
    """A record as it is stored, in the order of `RECORD_COLUMNS`."""
    content = record.content
    return (content.type, content.id, record.platform, record.user_id, *record_changes(record, bind))


def record_of(row: Row) -> ShareRecord:
    """A stored record."""
    return ShareRecord(
        id=row["id"],
        content=content_of(row),
        platform=row["platform"],
        user_id=row["user_id"],
        status=Status(row["status"]),
        evidence=Evidence(row["evidence"]),
        attempt_count=row["attempt_count"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        first_shared_at=row["first_shared_at"],
        last_shared_at=row["last_shared_at"],
        external_id=row["external_id"],
        external_url=row["external_url"],
    )


def link_row(link: ShareLink, bind: Binding) -> Values:
    """A link as it is stored, in the order of `LINK_COLUMNS`."""
    return (
        link.code,
        link.content.type,
        link.content.id,
        link.user_id,
        link.channel,
        link.campaign,
        link.url,
        bind.time(link.created_at),
        bind.time(link.updated_at),
        bind.time(link.expires_at),
        bind.id(link.record_id),
        bind.time(link.deleted_at),
        bind.id(link.id),
    )


def link_of(row: Row) -> ShareLink:
    """A stored link."""
    values = {name: row[name] for name in row.keys() if name not in ("content_type", "content_id", "expired")}  # noqa: SIM118, not every row is a dict
    return ShareLink(content=content_of(row), **values)


def audit_row(entry: AuditEntry, bind: Binding) -> Values:
    """A line of the audit as it is stored, in the order of `AUDIT_COLUMNS`."""
    return (
        bind.id(entry.id),
        bind.time(entry.at),
        bind.id(entry.subject_id),
        entry.content.type,
        entry.content.id,
        entry.user_id,
        entry.actor,
        entry.action,
        entry.platform,
        entry.status,
        entry.error_code,
        entry.error_message,
        entry.request_id,
    )


def event_row(event: Event, bind: Binding) -> Values:
    """An event as it is stored, in the order of `EVENT_COLUMNS`; the database adds when."""
    return (
        bind.id(event.id),
        str(event.job),
        event.content.type,
        event.content.id,
        bind.time(event.at),
        event.delta,
        event.cell_delta,
        *(event.to or NO_CELL),
        *(event.origin or NO_CELL),
        event.platform,
        bind.id(event.share_id),
        event.user_id,
        event.request_id,
        event.payload,
    )


def _cell(row: Row, prefix: str = "") -> Cell | None:
    if row[f"{prefix}evidence"] is None:
        return None
    return Cell(evidence=row[f"{prefix}evidence"], channel=row[f"{prefix}channel"], campaign=row[f"{prefix}campaign"])


def event_of(row: Row) -> Event:
    """A stored event."""
    return Event(
        id=row["id"],
        job=row["job"],
        content=content_of(row),
        at=row["at"],
        delta=row["delta"],
        cell_delta=row["moved"],
        to=_cell(row),
        origin=_cell(row, "from_"),
        platform=row["platform"],
        share_id=row["share_id"],
        user_id=row["user_id"],
        request_id=row["request_id"],
        payload=row["payload"],
    )


def adjustment_row(adjustment: Adjustment, bind: Binding) -> Values:
    """An adjustment as it is stored, in the order of `ADJUSTMENT_COLUMNS`; the database adds when."""
    return (
        bind.id(adjustment.id),
        adjustment.request_key,
        adjustment.content.type,
        adjustment.content.id,
        adjustment.amount,
        adjustment.evidence,
        adjustment.channel,
        adjustment.campaign,
        adjustment.platform,
        adjustment.reason,
        adjustment.actor,
    )


def adjustment_of(row: Row) -> Adjustment:
    """A stored adjustment."""
    names = ("id", "request_key", "amount", "evidence", "channel", "campaign", "platform", "reason", "actor")
    return Adjustment(content=content_of(row), **{name: row[name] for name in names})


def response_row(key: IdempotencyKey, response: StoredResponse) -> Values:
    """A stored response, in the order of `RESPONSE_COLUMNS`; the database adds when."""
    return (
        key.caller,
        key.key,
        response.request_hash,
        response.status,
        json.dumps(response.headers),
        response.body,
    )


def response_of(row: Row) -> tuple[IdempotencyKey, StoredResponse]:
    """The response that is stored under a key."""
    headers = tuple((str(name), str(value)) for name, value in json.loads(row["headers"]))
    response = StoredResponse(request_hash=row["request_hash"], status=row["status"], headers=headers, body=row["body"])
    return IdempotencyKey(caller=row["caller"], key=row["key"]), response
