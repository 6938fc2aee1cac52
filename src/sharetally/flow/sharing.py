"""What users do with their shares: share, withdraw, retry, and ask for the status.

Every way into the service uses this class. It decides what a share may do: the text limits, the allowed platforms and
addresses, and what hooks permit. Then it hands a command to the committer, which applies it under the record's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from sharetally.domain.caller import Caller, is_visitor
from sharetally.domain.content import ContentRef, prose_fault
from sharetally.domain.errors import Conflict, InvalidRequest, SharetallyError
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.post import Post
from sharetally.domain.share import Evidence, ShareRecord, Status, Trigger
from sharetally.flow.committer import Committer
from sharetally.flow.hooks import Hooks
from sharetally.flow.platforms import Platforms
from sharetally.flow.posting.new_posts import PostRequest
from sharetally.flow.posting.requesting import PostRequests
from sharetally.flow.queries import Queries, ShareStatus
from sharetally.flow.share_commands import Share, ShareResult
from sharetally.flow.unit_of_work import IdempotentCommand
from sharetally.flow.urls import UrlPolicy
from sharetally.flow.withdraw_commands import Retry, Withdraw
from sharetally.ports import Meter, ShareStore, StoredResponse
from sharetally.ports.posts import PostStore


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareRequest:
    """What a user wants to share and where; `platforms` None means all of SHARE_PLATFORMS."""

    content: ContentRef
    platforms: Sequence[str] | None = None
    mode: Literal["track_only", "server_post"] = "track_only"
    force: bool = False
    text: str = ""
    url: str | None = None
    accounts: Mapping[str, UUID] = field(default_factory=dict)  # by platform; otherwise the default account posts
    scheduled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """The use cases of shares.

    A method that writes returns the outcome, or the stored response if the command was `idempotent`.
    """

    committer: Committer
    queries: Queries
    shares: ShareStore
    hooks: Hooks
    platforms: Platforms
    urls: UrlPolicy
    meter: Meter
    posts: PostStore
    requests: PostRequests

    async def share(
        self, wanted: ShareRequest, caller: Caller, *, request_id: str, idempotent: IdempotentCommand | None = None
    ) -> list[ShareResult] | StoredResponse:
        """Record a share on each platform; the results are in the order of the platforms."""
        try:
            platforms = await self._permitted_platforms(wanted, caller.user_id)
            command = Share(
                content=wanted.content,
                caller=caller,
                platforms=platforms,
                trigger=Trigger.FORCE if wanted.force else Trigger.DECLARE,
                request_id=request_id,
                posts=await self._posts(wanted, platforms, caller) if wanted.mode == "server_post" else {},
            )
            outcome: list[ShareResult] | StoredResponse
            if idempotent is None:
                outcome = await self.committer.submit(command)
            else:
                outcome = await self.committer.submit_idempotent(command, idempotent)
        except SharetallyError as error:
            self.meter.share_error("", error.code)
            raise
        for result in command.results:
            self.meter.shares(result.record.platform, wanted.mode, result.record.status.value)
        return outcome

    async def _permitted_platforms(self, wanted: ShareRequest, user_id: str) -> list[str]:
        """Check the request against every rule, and return the platforms that it names."""
        if wanted.mode == "track_only" and (wanted.accounts or wanted.scheduled_at):
            raise Conflict("accounts and scheduledAt need the mode server_post: with track_only nothing is posted")
        if wanted.text and (fault := prose_fault(wanted.text)):
            raise InvalidRequest(("text", fault))
        if wanted.url is not None:
            self.urls.check_target(wanted.url)
        platforms = self.platforms.requested(wanted.platforms)
        if self.hooks:
            existing = await self.shares.of_user(wanted.content, user_id)
            for platform in platforms:
                await self.hooks.may_share(user_id, wanted.content, platform)
                if platform not in existing:
                    draft = ShareRecord(
                        id=new_id(),
                        content=wanted.content,
                        platform=platform,
                        user_id=user_id,
                        status=Status.SUCCESS,
                        evidence=Evidence.DECLARED,
                        attempt_count=1,
                    )
                    await self.hooks.before_create(draft)
        return platforms

    async def _posts(self, wanted: ShareRequest, platforms: Sequence[str], caller: Caller) -> Mapping[str, PostRequest]:
        if is_visitor(caller.user_id):
            raise InvalidRequest(("mode", "server_post needs a user; a visitor has no accounts to post from"))
        return await self.requests.build(
            platforms,
            user_id=caller.user_id,
            text=wanted.text,
            accounts={self.platforms.canonical(name): account for name, account in wanted.accounts.items()},
            scheduled_at=wanted.scheduled_at,
            has_address=self.urls.content_url(wanted.content) is not None,
        )

    async def withdraw(
        self,
        content: ContentRef,
        platform: str,
        caller: Caller,
        *,
        request_id: str,
        delete_post: bool = False,
        idempotent: IdempotentCommand | None = None,
    ) -> ShareRecord | StoredResponse:
        """Take back the caller's own share; `NotFound` if there is none. `delete_post` deletes its post, too."""
        platform = self.platforms.existing(platform)
        if self.hooks:
            mine = (await self.shares.of_user(content, caller.user_id)).get(platform)
            if mine is not None and mine.live:
                await self.hooks.before_delete(mine)
        command = Withdraw(
            content=content, caller=caller, platform=platform, request_id=request_id, delete_post=delete_post
        )
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)

    async def retry(
        self,
        content: ContentRef,
        platform: str,
        caller: Caller,
        *,
        request_id: str,
        idempotent: IdempotentCommand | None = None,
    ) -> ShareRecord | StoredResponse:
        """Try a failed or unknown post again; `Conflict` if the record is neither."""
        platform = self.platforms.existing(platform)
        command = Retry(content=content, caller=caller, platform=platform, request_id=request_id)
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)

    async def posts_of(self, statuses: Sequence[ShareStatus]) -> Mapping[UUID, Post]:
        """The newest post of each of the caller's own records, by record id."""
        return await self.posts.newest([each.mine.id for each in statuses if each.mine is not None])

    async def status(self, content: ContentRef, user_id: str) -> list[ShareStatus]:
        """Every allowed platform, and each platform on the user's device that has a live share."""
        names = list(dict.fromkeys((*self.platforms.allowed, *self.platforms.device)))
        found = await self.queries.share_status(content, user_id, names)
        return [each for each in found if each.platform in self.platforms.allowed or each.status.shares > 0]

    def share_page(self, record: ShareRecord, wanted: ShareRequest, *, root_path: str) -> str | None:
        """The platform's share page for the record's short address, or for the address that the request named.

        The address itself if the platform has no such page; None if there is no address.
        """
        address = self.urls.content_url(record.content)
        if self.urls.public_url and address:
            address = self.urls.short_url(to_base62(record.id), root_path=root_path)
        elif wanted.url is not None:
            address = wanted.url
        if address is None:
            return None
        return self.platforms.get(record.platform).intent(url=address, text=wanted.text) or address
