"""A table of our own that follows the shares: its rows are committed together with them or not at all.

A method may run more than once, because the service runs a transaction again after a deadlock. What the earlier
attempt wrote has been rolled back by then, so a method does not have to check for it.
"""

from __future__ import annotations

from sharetally.domain.ids import new_id
from sharetally.domain.link import ShareLink
from sharetally.domain.share import ShareRecord
from sharetally.ports import Transaction

INSERT = (
    "INSERT INTO member_diary (id, user_id, content_type, content_id, what) "
    "VALUES (:id, :user_id, :content_type, :content_id, :what)"
)


class Diary:
    """Writes a line for each share, change and withdrawal."""

    async def after_create(self, tx: Transaction, entity: ShareRecord | ShareLink) -> None:
        """Somebody shared for the first time, or created a link."""
        await self._note(tx, entity, "shared")

    async def after_update(
        self, tx: Transaction, before: ShareRecord | ShareLink, after: ShareRecord | ShareLink
    ) -> None:
        """Somebody shared again, revived a share, or changed a link."""
        await self._note(tx, after, "changed")

    async def after_delete(self, tx: Transaction, entity: ShareRecord | ShareLink) -> None:
        """Somebody withdrew a share, or deleted a link."""
        await self._note(tx, entity, "taken back")

    async def _note(self, tx: Transaction, entity: ShareRecord | ShareLink, what: str) -> None:
        line = {
            "id": str(new_id()),
            "user_id": entity.user_id,
            "content_type": entity.content.type,
            "content_id": entity.content.id,
            "what": what,
        }
        await tx.execute(INSERT, line)
