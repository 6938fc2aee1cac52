"""The read side, and the look that nobody has to believe. Nothing here takes a lock but the mend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.link import ShareLink
from sharetally.domain.proof import CellProof, VerificationResult, VerificationRun
from sharetally.domain.share import ShareRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformStatus:
    """Live records on one platform, by anyone; `last_shared_at` None where nobody ever shared."""

    shares: int
    last_shared_at: datetime | None


class LinkTarget(NamedTuple):
    """Where a short address leads, if it still does; it has expired by the database's clock."""

    url: str
    expired: bool
    deleted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which lines of the audit; None does not filter. `start` is included, `end` is not."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFilter:
    """Which live links; None does not filter."""

    content_type: str | None = None
    content_id: str | None = None
    user_id: str | None = None
    campaign: str | None = None


class ReadStore(Protocol):
    """The read side; nothing here takes a lock."""

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        """The stored counts, in the order asked; version 0 where nothing was ever shared."""
        ...

    async def consistent(self, contents: Sequence[ContentRef]) -> list[Count]:
        """Counts plus what is committed and not yet counted, in ONE statement."""
        ...

    async def platform_status(self, content: ContentRef) -> Mapping[str, PlatformStatus]:
        """Live records by platform, what is not yet counted included, in ONE statement."""
        ...

    async def user_records(self, content: ContentRef, user_id: str) -> Mapping[str, ShareRecord]:
        """One user's records of one content, by platform."""
        ...

    async def record(self, record_id: UUID) -> ShareRecord | None:
        """One record."""
        ...

    async def link(self, link_id: UUID) -> ShareLink | None:
        """One link, deleted ones included."""
        ...

    async def links_by_code(self, codes: Sequence[str]) -> Mapping[str, LinkTarget | None]:
        """Where these codes lead, deleted and expired links included; None for a code that nobody has."""
        ...

    async def links(self, criteria: LinkFilter, *, limit: int, after: UUID | None) -> list[ShareLink]:
        """Live links, newest first, that come after this id in that order."""
        ...

    async def audit(self, criteria: AuditFilter, *, limit: int, after: UUID | None) -> list[AuditEntry]:
        """Lines of the audit, newest first, that come after this id in that order."""
        ...


class ProofStore(Protocol):
    """The look that nobody has to believe, and the mend."""

    async def proof(self, content: ContentRef) -> tuple[list[CellProof], datetime]:
        """The total and every cell of one content, from one snapshot, and the time of that snapshot."""
        ...

    async def verify(self, content: ContentRef | None, progress: Callable[[int], None]) -> VerificationResult:
        """Check one content or all; tells progress in contents looked at. Takes no locks."""
        ...

    async def last_run(self) -> VerificationRun | None:
        """The last look at everything that was noted."""
        ...

    async def record_run(self, result: VerificationResult, seconds: float) -> VerificationRun:
        """Note a look at everything that ended just now."""
        ...

    async def extend_run_lease(self, seconds: float, *, renew: bool = False) -> bool:
        """Have looks for oneself for so long, unless somebody else has; `renew` for who has them already."""
        ...

    async def repair(self, drifted: CellProof, audit: AuditEntry) -> int:
        """Add -drift to the cell under the content's lock, as the drift stands then; return what was added."""
        ...

    async def reset_after_restore(self) -> int:
        """After a restore: raise all versions above any that was announced, forget marks, send times and sessions."""
        ...
