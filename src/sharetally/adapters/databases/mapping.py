"""How a share is stored: its record, its lines in the audit, and its events, to rows and back.

Rows that are written are built once: tuples in the order of their columns, with values as the driver takes them.
"""

from __future__ import annotations

from collections.abc import Iterable

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.driver import Row, RowBatch, Values
from sharetally.adapters.databases.types import Binding
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell, Event
from sharetally.domain.share import Evidence, ShareRecord, Status

_RECORD_CHANGES = (
    "status", "evidence", "attempt_count", "error_code", "error_message", "first_shared_at", "last_shared_at",
    "external_id", "external_url", "id",
)  # fmt: skip
_RECORD_COLUMNS = (*_RECORD_CHANGES, "content_type", "content_id", "platform", "user_id")
_AUDIT_COLUMNS = (
    "id", "at", "subject_id", "content_type", "content_id", "user_id", "actor", "action", "platform", "status",
    "error_code", "error_message", "request_id",
)  # fmt: skip
_EVENT_COLUMNS = (
    "id", "job", "content_type", "content_id", "at", "delta", "moved", "evidence", "channel", "campaign",
    "from_evidence", "from_channel", "from_campaign", "platform", "share_id", "user_id", "request_id", "payload",
)  # fmt: skip
_NO_CELL = (None, None, None)


def content_of(row: Row) -> ContentRef:
    """The content item that a row is about."""
    return ContentRef(type=row["content_type"], id=row["content_id"])


def new_records(records: Iterable[ShareRecord], bind: Binding) -> RowBatch:
    """Records to insert."""
    rows = [(*_changes_of(record, bind), *record.content, record.platform, record.user_id) for record in records]
    return RowBatch(tables.share_records, _RECORD_COLUMNS, rows)


def changed_records(records: Iterable[ShareRecord], bind: Binding) -> RowBatch:
    """What may change of records, to update them by id."""
    return RowBatch(tables.share_records, _RECORD_CHANGES, [_changes_of(record, bind) for record in records])


def _changes_of(record: ShareRecord, bind: Binding) -> Values:
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


def new_audit(entries: Iterable[AuditEntry], bind: Binding) -> RowBatch:
    """Lines of the audit to insert."""
    rows = [
        (
            bind.id(entry.id),
            bind.time(entry.at),
            bind.id(entry.subject_id),
            *entry.content,
            entry.user_id,
            entry.actor,
            entry.action,
            entry.platform,
            entry.status,
            entry.error_code,
            entry.error_message,
            entry.request_id,
        )
        for entry in entries
    ]
    return RowBatch(tables.share_audit, _AUDIT_COLUMNS, rows)


def new_events(events: Iterable[Event], bind: Binding) -> RowBatch:
    """Events to insert; the database adds when."""
    rows = [
        (
            bind.id(event.id),
            str(event.job),
            *event.content,
            bind.time(event.at),
            event.delta,
            event.cell_delta,
            *(event.to or _NO_CELL),
            *(event.origin or _NO_CELL),
            event.platform,
            bind.id(event.share_id),
            event.user_id,
            event.request_id,
            event.payload,
        )
        for event in events
    ]
    return RowBatch(tables.events, _EVENT_COLUMNS, rows)


def event_of(row: Row) -> Event:
    """A stored event."""
    return Event(
        id=row["id"],
        job=row["job"],
        content=content_of(row),
        at=row["at"],
        delta=row["delta"],
        cell_delta=row["moved"],
        to=_cell_of(row),
        origin=_cell_of(row, "from_"),
        platform=row["platform"],
        share_id=row["share_id"],
        user_id=row["user_id"],
        request_id=row["request_id"],
        payload=row["payload"],
    )


def _cell_of(row: Row, prefix: str = "") -> Cell | None:
    if row[f"{prefix}evidence"] is None:
        return None
    return Cell(evidence=row[f"{prefix}evidence"], channel=row[f"{prefix}channel"], campaign=row[f"{prefix}campaign"])
