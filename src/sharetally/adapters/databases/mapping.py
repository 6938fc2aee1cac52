"""Rows to values and back, for the tables that a transaction writes. What only a store reads is converted there."""

from __future__ import annotations

import json
from typing import Any

from sharetally.adapters.databases.statements import Row
from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell, Event
from sharetally.domain.link import ShareLink
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.ports import IdempotencyKey, StoredResponse


def content_of(row: Row) -> ContentRef:
    """The content that a row is about."""
    return ContentRef(type=row["content_type"], id=row["content_id"])


def record_row(record: ShareRecord) -> dict[str, Any]:
    """A record as it is stored."""
    return {
        "id": record.id,
        "content_type": record.content.type,
        "content_id": record.content.id,
        "platform": record.platform,
        "user_id": record.user_id,
        "status": record.status.value,
        "evidence": record.evidence.value,
        "attempt_count": record.attempt_count,
        "error_code": record.error_code,
        "error_message": record.error_message,
        "first_shared_at": record.first_shared_at,
        "last_shared_at": record.last_shared_at,
        "external_id": record.external_id,
        "external_url": record.external_url,
    }


RECORD_IDENTITY = frozenset({"content_type", "content_id", "platform", "user_id"})


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


def link_row(link: ShareLink) -> dict[str, Any]:
    """A link as it is stored."""
    return {
        "id": link.id,
        "code": link.code,
        "content_type": link.content.type,
        "content_id": link.content.id,
        "user_id": link.user_id,
        "channel": link.channel,
        "campaign": link.campaign,
        "url": link.url,
        "created_at": link.created_at,
        "updated_at": link.updated_at,
        "expires_at": link.expires_at,
        "record_id": link.record_id,
        "deleted_at": link.deleted_at,
    }


def link_of(row: Row) -> ShareLink:
    """A stored link."""
    values = {name: row[name] for name in row.keys() if name not in ("content_type", "content_id", "expired")}  # noqa: SIM118, not every row is a dict
    return ShareLink(content=content_of(row), **values)


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    """A line of the audit as it is stored."""
    return {
        "id": entry.id,
        "at": entry.at,
        "subject_id": entry.subject_id,
        "content_type": entry.content.type,
        "content_id": entry.content.id,
        "user_id": entry.user_id,
        "actor": entry.actor,
        "action": entry.action,
        "platform": entry.platform,
        "status": entry.status,
        "error_code": entry.error_code,
        "error_message": entry.error_message,
        "request_id": entry.request_id,
    }


def event_row(event: Event) -> dict[str, Any]:
    """An event as it is stored; the database adds when."""
    to, origin = event.to, event.origin
    return {
        "id": event.id,
        "job": str(event.job),
        "content_type": event.content.type,
        "content_id": event.content.id,
        "at": event.at,
        "delta": event.delta,
        "moved": event.cell_delta,
        "evidence": to.evidence if to else None,
        "channel": to.channel if to else None,
        "campaign": to.campaign if to else None,
        "from_evidence": origin.evidence if origin else None,
        "from_channel": origin.channel if origin else None,
        "from_campaign": origin.campaign if origin else None,
        "platform": event.platform,
        "share_id": event.share_id,
        "user_id": event.user_id,
        "request_id": event.request_id,
        "payload": event.payload,
    }


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


def adjustment_row(adjustment: Adjustment) -> dict[str, Any]:
    """An adjustment as it is stored; the database adds when."""
    return {
        "id": adjustment.id,
        "request_key": adjustment.request_key,
        "content_type": adjustment.content.type,
        "content_id": adjustment.content.id,
        "amount": adjustment.amount,
        "evidence": adjustment.evidence,
        "channel": adjustment.channel,
        "campaign": adjustment.campaign,
        "platform": adjustment.platform,
        "reason": adjustment.reason,
        "actor": adjustment.actor,
    }


def adjustment_of(row: Row) -> Adjustment:
    """A stored adjustment."""
    names = ("id", "request_key", "amount", "evidence", "channel", "campaign", "platform", "reason", "actor")
    return Adjustment(content=content_of(row), **{name: row[name] for name in names})


def answer_row(key: IdempotencyKey, answer: StoredResponse) -> dict[str, Any]:
    """A stored answer; the database adds when."""
    return {
        "caller": key.caller,
        "key": key.key,
        "request_hash": answer.request_hash,
        "status": answer.status,
        "headers": json.dumps(answer.headers),
        "body": answer.body,
    }


def answer_of(row: Row) -> StoredResponse:
    """What was answered under a key."""
    headers = tuple((str(name), str(value)) for name, value in json.loads(row["headers"]))
    return StoredResponse(request_hash=row["request_hash"], status=row["status"], headers=headers, body=row["body"])
