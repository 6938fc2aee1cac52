"""An audit entry: who did what, when, and with which outcome. Never changed and never deleted."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.content import ContentRef


class AuditEntry(NamedTuple):
    """One line of the audit.

    `user_id` owns the share; `actor` performed the action and differs from `user_id` if a server acted for its user.
    `platform` and `status` are set for records only; `subject_id` is the id of the record, link or adjustment.
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
