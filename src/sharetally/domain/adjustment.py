"""A correction of a count: a signed amount with an author and a reason, counted once per job id."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell

MAX_AMOUNT = 1_000_000
MAX_REASON = 500  # characters
MAX_JOB_ID = 128  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Adjustment:
    """A row of the ledger: `amount` is signed; `request_key` is the caller's job id and unique.

    The evidence is `adjusted`, so that a correction is never shown as somebody's share. Only an adjustment that
    replaces a discarded event has that event's own evidence and platform, so that it cancels the event cell by cell.
    """

    id: UUID
    request_key: str
    content: ContentRef
    amount: int
    channel: str
    campaign: str
    reason: str
    actor: str
    evidence: str = "adjusted"
    platform: str | None = None

    @property
    def cell(self) -> Cell:
        """Its cell in the breakdown."""
        return Cell(evidence=self.evidence, channel=self.channel, campaign=self.campaign)

    def same_as(self, other: Adjustment) -> bool:
        """Whether two requests with the same job id request the same adjustment."""
        mine = (self.content, self.amount, self.channel, self.campaign, self.reason)
        return mine == (other.content, other.amount, other.channel, other.campaign, other.reason)
