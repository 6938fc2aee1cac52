"""What callers do with share links: create, read, list, change and delete them, and follow short addresses.

Every way into the service uses this class. It decides which addresses a link may lead to, who may see a link, and what
hooks permit; the commands then run in the committer, under the link's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Forbidden, Gone, InvalidRequest, NotFound
from sharetally.domain.ids import from_base62
from sharetally.domain.link import LINK_CODE_LENGTH, ShareLink
from sharetally.flow.committer import Committer
from sharetally.flow.hooks import Hooks
from sharetally.flow.link_commands import CreateLink, DeleteLink, PatchLink, may_edit
from sharetally.flow.queries import Queries
from sharetally.flow.unit_of_work import IdempotentCommand
from sharetally.flow.urls import UrlPolicy
from sharetally.ports import Clock, LinkFilter, LinkStore, ShareStore, StoredResponse
from sharetally.ports.posts import PostStore


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRequest:
    """The link that a caller wants; without `url`, CONTENT_URLS decides where it leads."""

    content: ContentRef
    url: str | None
    channel: str
    campaign: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """The use cases of share links.

    A method that writes returns the outcome, or the stored response if the command was `idempotent`.
    """

    committer: Committer
    queries: Queries
    links: LinkStore
    shares: ShareStore
    posts: PostStore
    hooks: Hooks
    urls: UrlPolicy
    clock: Clock

    async def create(
        self, wanted: LinkRequest, caller: Caller, *, request_id: str, idempotent: IdempotentCommand | None = None
    ) -> ShareLink | StoredResponse:
        """Create a link to hand out."""
        url = wanted.url if wanted.url is not None else self.urls.content_url(wanted.content)
        if url is None:
            reason = f"is required: CONTENT_URLS has no address for content of type {wanted.content.type}"
            raise InvalidRequest(("url", reason))
        if wanted.url is not None:
            self.urls.check_target(wanted.url)
        command = CreateLink(
            content=wanted.content,
            caller=caller,
            url=url,
            channel=wanted.channel,
            campaign=wanted.campaign,
            expires_at=wanted.expires_at,
            request_id=request_id,
        )
        if self.hooks:
            await self.hooks.before_create(command.draft(self.clock.now()))
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)

    async def read(self, link_id: UUID, caller: Caller) -> ShareLink:
        """One of the caller's own links, or any link for an admin; `NotFound` otherwise."""
        link = await self._visible_link(link_id, caller)
        if link is None:
            raise NotFound("no such share link")
        return link

    async def search(
        self, criteria: LinkFilter, caller: Caller, *, limit: int, after: UUID | None
    ) -> Sequence[ShareLink]:
        """The caller's own links, or anybody's for an admin, newest first."""
        if not caller.may("admin"):
            if criteria.user_id is not None and criteria.user_id != caller.user_id:
                raise Forbidden("other people's links need the scope admin")
            criteria = replace(criteria, user_id=caller.user_id)
        return await self.links.page(criteria, limit=limit, after=after)

    async def change(
        self,
        link_id: UUID,
        changes: dict[str, Any],
        caller: Caller,
        *,
        request_id: str,
        idempotent: IdempotentCommand | None = None,
    ) -> ShareLink | StoredResponse:
        """Change `url`, `channel`, `campaign` or `expires_at`; `changes` contains only what changes."""
        if "url" in changes:
            self.urls.check_target(changes["url"])
        command = PatchLink(link_id=link_id, caller=caller, fields=changes, request_id=request_id)
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)

    async def delete(
        self, link_id: UUID, caller: Caller, *, request_id: str, idempotent: IdempotentCommand | None = None
    ) -> ShareLink | StoredResponse:
        """Delete a link, which then no longer counts."""
        if self.hooks and (link := await self._visible_link(link_id, caller)):
            await self.hooks.before_delete(link)
        command = DeleteLink(link_id=link_id, caller=caller, request_id=request_id)
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)

    async def target(self, code: str) -> str:
        """Where a short address leads: the target of a link, or the content item of a share record or a post.

        `Gone` if the link was deleted or has expired, `NotFound` if there is nothing under this code.
        """
        if len(code) == LINK_CODE_LENGTH:
            link = await self.queries.link(code)
            if link is None:
                raise NotFound("no such link")
            if link.expired or link.deleted:
                raise Gone("this link has expired" if link.expired else "this link was deleted")
            return link.url
        found_id = from_base62(code)
        record = await self.shares.by_id(found_id) if found_id else None
        content = record.content if record else None
        if content is None and found_id and (post := await self.posts.by_id(found_id)):
            content = ContentRef(type=post.key.content_type, id=post.key.content_id)
        target = self.urls.content_url(content) if content else None
        if target is None:
            raise NotFound("no such link")
        return target

    async def _visible_link(self, link_id: UUID, caller: Caller) -> ShareLink | None:
        link = await self.links.by_id(link_id)
        visible = link is not None and link.deleted_at is None and may_edit(caller, link)
        return link if visible else None
