"""A line of the audit trail: who did what, when, with which outcome. Never changed, never deleted."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.content import ContentRef


class AuditEntry(NamedTuple):
    """`user_id` owns the share, `actor` acted (another one where a server acts for its users).

    `platform` and `status` are set for records only; `subject_id` is the record, link or adjustment.
    """

    id: UUID
    at: datetime
    subject_id: UUID
    content: ContentRef
    user_id: str
    actor: str
    action: str
    platform: str | None = None
    status: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    request_id: str = ""
