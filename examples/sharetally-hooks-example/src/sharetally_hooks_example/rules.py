"""Rules about who may share what: checked before anything is written; a refusal affects only that one request."""

from __future__ import annotations

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Conflict
from sharetally.domain.link import ShareLink
from sharetally.domain.share import ShareRecord

PINNED = "pinned"


class HouseRules:
    """Guests cannot share, drafts cannot be shared, and pinned links cannot be deleted."""

    async def may_share(self, user_id: str, content: ContentRef, platform: str) -> bool:
        """If this returns False, the request is answered with 403."""
        return not user_id.startswith("guest-")

    async def before_create(self, entity: ShareRecord | ShareLink) -> None:
        """A Conflict is answered with 409 and this sentence."""
        if entity.content.type == "draft":
            raise Conflict("a draft can be shared once it is published")

    async def before_delete(self, entity: ShareRecord | ShareLink) -> None:
        """A link of the campaign `pinned` cannot be deleted."""
        if isinstance(entity, ShareLink) and entity.campaign == PINNED:
            raise Conflict("this link is pinned; take it out of the campaign first")
