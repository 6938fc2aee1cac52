"""What a share may post, decided before anything is written: from which account, and with which text.

Each post has a short address of its own, by which a look at the platform recognises it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sharetally.domain.account import Account, AccountStatus
from sharetally.domain.errors import InvalidRequest
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.post import compose
from sharetally.flow.posting.new_posts import PostRequest
from sharetally.flow.urls import UrlPolicy
from sharetally.ports import AccountStore, Clock
from sharetally.ports.posting_platform import LimitsByAccount, Publisher

MAX_AHEAD = timedelta(days=366)


@dataclass(frozen=True, kw_only=True, slots=True)
class PostRequests:
    """Turns the wish to post into one request per platform; `publishers` are the platforms that can be posted to."""

    accounts: AccountStore
    publishers: Mapping[str, Publisher]
    urls: UrlPolicy
    clock: Clock

    async def build(
        self,
        platforms: Sequence[str],
        *,
        user_id: str,
        text: str,
        accounts: Mapping[str, UUID],
        scheduled_at: datetime | None,
        has_address: bool,
    ) -> Mapping[str, PostRequest]:
        """The posts by platform; platforms that cannot be posted to are left out, and only recorded.

        Raises `InvalidRequest`, which names the field, if one of the posts could never be published.
        """
        wanted = [platform for platform in platforms if platform in self.publishers]
        if unknown := [name for name in accounts if name not in wanted]:
            raise InvalidRequest((f"accounts.{unknown[0]}", "is not a platform that this request posts to"))
        if not wanted:
            raise InvalidRequest(
                ("mode", "server_post needs a platform that can be posted to; GET /platforms shows which can")
            )
        if not self.urls.public_url:
            raise InvalidRequest(("mode", "server_post is not available here: its operator must set PUBLIC_URL"))
        if not has_address:
            raise InvalidRequest(("mode", "server_post needs an address of the content: CONTENT_URLS has none for it"))
        if scheduled_at is not None:
            now = self.clock.now()
            if not now < scheduled_at <= now + MAX_AHEAD:
                raise InvalidRequest(("scheduledAt", "must be in the future, at most a year ahead"))
        own = await self.accounts.of_user(user_id)
        return {
            platform: await self._request(
                self.publishers[platform], _choose(own, platform, accounts.get(platform)), text, scheduled_at
            )
            for platform in wanted
        }

    async def _request(
        self, publisher: Publisher, account: Account, text: str, scheduled_at: datetime | None
    ) -> PostRequest:
        post_id = new_id()
        url = self.urls.short_url(to_base62(post_id), root_path="")
        composed = compose(text, url)
        if isinstance(publisher, LimitsByAccount):
            fault = await publisher.account_text_fault(account, composed, url)
        else:
            fault = publisher.text_fault(composed, url)
        if fault:
            raise InvalidRequest(("text", f"{publisher.platform}: {fault}"))
        return PostRequest(
            id=post_id,
            account_id=account.id,
            text=composed,
            url=url,
            scheduled_at=scheduled_at,
            warnings=tuple(publisher.warnings(composed)),
        )


def _choose(own: Sequence[Account], platform: str, named: UUID | None) -> Account:
    there = [account for account in own if account.platform == platform]
    if named is not None:
        chosen = next((account for account in there if account.id == named), None)
        if chosen is None:
            raise InvalidRequest((f"accounts.{platform}", "is not one of your accounts; see GET /accounts"))
    else:
        chosen = next((account for account in there if account.is_default), None) or next(iter(there), None)
        if chosen is None:
            raise InvalidRequest(
                ("platforms", f"no account on {platform} is connected; POST /accounts/{platform}/connect begins that")
            )
    if chosen.status is AccountStatus.NEEDS_REAUTH:
        raise InvalidRequest(("platforms", f"the account on {platform} must be connected again before it can post"))
    return chosen
