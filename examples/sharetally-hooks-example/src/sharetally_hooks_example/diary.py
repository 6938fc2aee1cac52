"""A table of one's own that follows the shares: written with them or not at all.

A method may run more than once, because a deadlock runs its transaction again; what the earlier try wrote was
rolled back, so nothing has to be looked for.
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
    """A line for everything that anybody does."""

    async def after_create(self, tx: Transaction, entity: ShareRecord | ShareLink) -> None:
        """Shared for the first time, or a link was made."""
        await self._note(tx, entity, "shared")

    async def after_update(
        self, tx: Transaction, before: ShareRecord | ShareLink, after: ShareRecord | ShareLink
    ) -> None:
        """Shared again, brought back, or a link was changed."""
        await self._note(tx, after, "changed")

    async def after_delete(self, tx: Transaction, entity: ShareRecord | ShareLink) -> None:
        """Taken back, or a link was deleted."""
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
