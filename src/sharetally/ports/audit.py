"""The store of the audit trail.

The transaction of `ports/ledger` writes an entry together with the change that it describes; this store only reads
entries, without a lock. The method may raise `Unavailable`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sharetally.domain.audit import AuditEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Selects audit entries; a field that is None selects all. `start` is inclusive, `end` is exclusive."""

    content_type: str | None = None
    content_id: str | None = None
    platform: str | None = None
    user_id: str | None = None
    status: str | None = None
    action: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    request_id: str | None = None
    subject_id: UUID | None = None


class AuditStore(Protocol):
    """Audit entries, read only."""

    async def page(self, criteria: AuditFilter, *, limit: int, after: UUID | None) -> list[AuditEntry]:
        """At most `limit` entries, newest first, that follow the entry `after` in that order; None starts at the top.

        An empty list means that there are no more.
        """
        ...
