"""Who may share what: asked before anything is written, and refusing only the request that asked."""

from __future__ import annotations

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Conflict
from sharetally.domain.link import ShareLink
from sharetally.domain.share import ShareRecord

PINNED = "pinned"


class HouseRules:
    """Guests look and do not share, drafts stay here, and what is pinned stays up."""

    async def may_share(self, user_id: str, content: ContentRef, platform: str) -> bool:
        """False answers 403."""
        return not user_id.startswith("guest-")

    async def before_create(self, entity: ShareRecord | ShareLink) -> None:
        """A Conflict answers 409, with this sentence."""
        if entity.content.type == "draft":
            raise Conflict("a draft can be shared once it is published")

    async def before_delete(self, entity: ShareRecord | ShareLink) -> None:
        """A link of the campaign `pinned` is not deleted."""
        if isinstance(entity, ShareLink) and entity.campaign == PINNED:
            raise Conflict("this link is pinned; take it out of the campaign first")
