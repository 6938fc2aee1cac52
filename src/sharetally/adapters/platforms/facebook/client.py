"""How a post gets to a Facebook page (developers.facebook.com, Pages API, feed).

Facebook drops a repeated post only if it directly follows the first (506). A look reads the page's feed since the
attempt for the post's own address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from sharetally.adapters.platforms._api import (
    POST_DEADLINE,
    SINCE,
    Failure,
    as_look,
    decode,
    mentions,
    not_listed,
    since,
    unpublished,
    unread,
)
from sharetally.adapters.platforms._graph import (
    NO_SUCH_OBJECT,
    PARAMETER,
    ObjectId,
    Paging,
    classify,
    graph_error,
    graph_request,
    may_have_happened,
)
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.facebook import text as text_rules
from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import CannotTell, Draft, LookOutcome, OutcomeUnknown, Posted, PublishOutcome
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundError
from sharetally.ports.posting_platform import Publisher

DUPLICATE = 506
MAX_PAGES = 5  # of 100 posts each


class _Author(msgspec.Struct, frozen=True, kw_only=True):
    id: str


class _Post(msgspec.Struct, frozen=True, kw_only=True):
    """`from` is missing where Facebook does not say who wrote it."""

    id: str
    message: str = ""
    permalink_url: str | None = None
    author: _Author | None = msgspec.field(default=None, name="from")


class _Feed(msgspec.Struct, frozen=True, kw_only=True):
    data: tuple[_Post, ...]
    paging: Paging = Paging()


class FacebookPublisher(Publisher):
    """Posts to pages; `api_version` is like `v26.0`."""

    platform = "facebook"
    deduplicates = False
    text_rule = text_rules.RULE

    def __init__(
        self,
        outbound: Outbound,
        *,
        api_version: str,
        base_url: str = "https://graph.facebook.com",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._api_version = api_version
        self._graph_url = f"{base_url}/{api_version}"
        self._now = now

    @property
    def api_version(self) -> str:
        """As it was given."""
        return self._api_version

    def text_fault(self, text: str, url: str) -> str | None:
        """By the number of characters."""
        return text_rules.text_fault(text, url)

    def warnings(self, text: str) -> Sequence[str]:
        """None."""
        return ()

    async def prepare(self, account: Account, tokens: Tokens, draft: Draft) -> Mapping[str, str]:
        """Note when the attempt begins: a look reads nothing older."""
        return {SINCE: self._now().isoformat()}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Post the text once, with the address as its link; a text that Facebook calls a duplicate is looked up."""
        feed = self._object(account.external_id, "/feed")
        form = {"message": draft.text, "link": draft.url}
        try:
            response = await graph_request(self._outbound, "POST", feed, tokens, deadline=POST_DEADLINE, **form)
        except OutboundError as error:
            return unpublished(error, "Facebook")
        if response.status == 200:
            post = decode(response, ObjectId)
            if post is None:
                return OutcomeUnknown(reason="Facebook answered without the id of a post")
            return Posted(external_id=post.id, external_url=f"https://www.facebook.com/{quote(post.id, safe='')}")
        if graph_error(response).code == DUPLICATE:
            found = await self.look(account, tokens, draft)
            return found if isinstance(found, Posted) else OutcomeUnknown(reason="Facebook calls the post a duplicate")
        if may_have_happened(response):
            return OutcomeUnknown(reason=f"Facebook answered {response.status} without saying what happened")
        return classify(response, "Facebook", self._now())

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Search the page's own posts since the attempt for the post's own address."""
        parameters = {
            "fields": "id,message,permalink_url,from",
            "since": str(int(since(draft).timestamp())),
            "limit": "100",
        }
        feed = self._object(account.external_id, "/feed")
        for _ in range(MAX_PAGES):
            try:
                response = await graph_request(self._outbound, "GET", feed, tokens, deadline=DEADLINE, **parameters)
            except OutboundError as error:
                return unread(error, "Facebook")
            if response.status != 200:
                return as_look(classify(response, "Facebook", self._now()))
            page = decode(response, _Feed)
            if page is None:
                return CannotTell(reason="Facebook answered without a feed")
            for post in page.data:
                is_own = post.author is None or post.author.id == account.external_id
                if is_own and mentions(post.message, draft.url):
                    return Posted(external_id=post.id, external_url=post.permalink_url)
            if not page.paging.after:
                return not_listed(draft, self._now())
            parameters["after"] = page.paging.after
        return CannotTell(reason=f"the page has more than {MAX_PAGES * 100} newer posts")

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> Failure | None:
        """Delete the post; one that Facebook does not know is gone."""
        try:
            response = await graph_request(
                self._outbound, "DELETE", self._object(external_id), tokens, deadline=DEADLINE
            )
        except OutboundError as error:
            return unread(error, "Facebook")
        refusal = graph_error(response)
        is_gone = refusal.code == PARAMETER and refusal.error_subcode == NO_SUCH_OBJECT
        return None if response.status == 200 or is_gone else classify(response, "Facebook", self._now())

    def _object(self, object_id: str, edge: str = "") -> str:
        return f"{self._graph_url}/{quote(object_id, safe='')}{edge}"
