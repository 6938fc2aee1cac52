"""The store of share records: one row per content item, platform and user.

Commands lock and write records within the transaction of `ports/ledger`; this store only reads them, without a lock.
Every method may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from sharetally.domain.content import ContentRef
from sharetally.domain.share import ShareRecord


class ShareStore(Protocol):
    """Share records, read only."""

    async def by_id(self, record_id: UUID) -> ShareRecord | None:
        """The record with this id, in any status; None if there is none."""
        ...

    async def of_user(self, content: ContentRef, user_id: str) -> Mapping[str, ShareRecord]:
        """One user's records of one content item, by platform; empty if the user never shared it."""
        ...
