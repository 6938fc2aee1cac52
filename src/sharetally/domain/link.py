"""A share link: a short address for a content item that somebody hands out.

A live link that does not belong to a record is a share (evidence `link`). A link that has expired still counts;
a deleted one does not. Its code is ten random letters and digits, so it cannot be guessed or enumerated.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sharetally.domain.content import ContentRef
from sharetally.domain.event import Cell

_ALPHABET = string.ascii_letters + string.digits
LINK_CODE_LENGTH = 10


def new_link_code() -> str:
    """Ten of 62 characters, 59 bits, from the system's random generator."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LINK_CODE_LENGTH))


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareLink:
    """A link as stored; `channel` and `campaign` are `''` if there is none.

    A link without `expires_at` never expires. `record_id` is the record that the link belongs to, if any; such links
    do not count. A link without `deleted_at` is live.
    """

    id: UUID
    code: str
    content: ContentRef
    user_id: str
    channel: str
    campaign: str
    url: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    record_id: UUID | None = None
    deleted_at: datetime | None = None

    @property
    def cell(self) -> Cell:
        """Its cell in the breakdown."""
        return Cell(evidence="link", channel=self.channel, campaign=self.campaign)

    @property
    def is_counted(self) -> bool:
        """Whether the link is a share of its own."""
        return self.deleted_at is None and self.record_id is None
