"""How a post gets to Threads (developers.facebook.com, Threads API, publishing).

First a container is created, then it is published. A container is published at most once, and its status says whether
it has been, so its id is stored before the second step: a look is exact, and what is not there may be sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from sharetally.adapters.platforms._api import (
    POST_DEADLINE,
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
from sharetally.adapters.platforms.threads import text as text_rules
from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import (
    CannotTell,
    Draft,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import Publisher

CONTAINER = "container"  # in `Draft.prepared`
NOT_READY = (24, 4_279_009)  # the container has just been created
READY_AFTER = timedelta(seconds=30)
MAX_PAGES = 5  # of 100 posts each
UNLISTED = CannotTell(reason="Threads has published the post, but does not list it")


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    """EXPIRED, ERROR, FINISHED (ready to be published), IN_PROGRESS or PUBLISHED."""

    status: str


class _Post(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    permalink: str | None = None
    text: str = ""


class _Posts(msgspec.Struct, frozen=True, kw_only=True):
    data: tuple[_Post, ...]
    paging: Paging = Paging()


class ThreadsPublisher(Publisher):
    """Posts to Threads for accounts that have been connected."""

    platform = "threads"
    deduplicates = True
    text_rule = text_rules.RULE

    def __init__(
        self,
        outbound: Outbound,
        *,
        base_url: str = "https://graph.threads.net",
        api_version: str = "v1.0",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._api_url = f"{base_url}/{api_version}"
        self._now = now

    def text_fault(self, text: str, url: str) -> str | None:
        """By the count of Threads."""
        return text_rules.text_fault(text, url)

    def warnings(self, text: str) -> Sequence[str]:
        """None."""
        return ()

    async def prepare(self, account: Account, tokens: Tokens, draft: Draft) -> Mapping[str, str] | Failure:
        """Create the container; one that exists is kept, unless it can no longer be published."""
        try:
            if container := draft.prepared.get(CONTAINER):
                response = await self._get(container, tokens, fields="status")
                status = decode(response, _Status) if response.status == 200 else None
                if status is None:
                    return self._failure(response)
                if status.status not in {"EXPIRED", "ERROR"}:
                    return draft.prepared
            form = {"media_type": "TEXT", "text": draft.text}
            response = await self._post(account, "threads", tokens, **form)
        except OutboundError as error:
            return unread(error, "Threads")
        created = decode(response, ObjectId) if response.status == 200 else None
        return self._failure(response) if created is None else {CONTAINER: created.id}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Publish the container; what Threads refuses without a known reason may be published already."""
        try:
            form = {"creation_id": draft.prepared[CONTAINER]}
            response = await self._post(account, "threads_publish", tokens, **form)
        except OutboundError as error:
            return unpublished(error, "Threads")
        if response.status == 200:
            post = decode(response, ObjectId)
            if post is None:
                return OutcomeUnknown(reason="Threads answered without the id of a post")
            return Posted(external_id=post.id, external_url=await self._permalink(post.id, tokens))
        refusal = graph_error(response)
        if (refusal.code, refusal.error_subcode) == NOT_READY:
            return TryLater(reason="Threads is still preparing the post", at=self._now() + READY_AFTER)
        if may_have_happened(response):
            return OutcomeUnknown(reason=f"Threads answered {response.status} without saying what happened")
        failure = classify(response, "Threads", self._now())
        if isinstance(failure, PostRejected):
            found = await self.look(account, tokens, draft)
            if isinstance(found, Posted | NotThere):
                return found if isinstance(found, Posted) else failure
            return OutcomeUnknown(reason=f"{failure.message}; it may be published already")
        return failure

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """The container's status says whether it was published; the post is found by its own address."""
        container = draft.prepared.get(CONTAINER)
        try:
            if container is None:  # a restored database may not know of the attempt
                return await self._find(account, tokens, draft, absent=not_listed(draft, self._now()))
            response = await self._get(container, tokens, fields="status")
            status = decode(response, _Status) if response.status == 200 else None
            if status is None:
                return as_look(self._failure(response))
            match status.status:
                case "PUBLISHED":
                    return await self._find(account, tokens, draft, absent=UNLISTED)
                case "FINISHED" | "EXPIRED" | "ERROR":
                    return NotThere()
                case _:
                    return TryLater(reason="Threads is still preparing the post", at=self._now() + READY_AFTER)
        except OutboundError as error:
            return unread(error, "Threads")

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> Failure | None:
        """Delete the post; one that Threads does not know is gone."""
        url = f"{self._api_url}/{quote(external_id, safe='')}"
        try:
            response = await graph_request(self._outbound, "DELETE", url, tokens, deadline=DEADLINE)
        except OutboundError as error:
            return unread(error, "Threads")
        refusal = graph_error(response)
        is_gone = refusal.code == PARAMETER and refusal.error_subcode == NO_SUCH_OBJECT
        return None if response.status == 200 or is_gone else self._failure(response)

    async def _find(self, account: Account, tokens: Tokens, draft: Draft, *, absent: LookOutcome) -> LookOutcome:
        """Search the account's own posts for the post's own address; `absent` is what it means that it is not there."""
        parameters = {
            "fields": "id,permalink,text",
            "since": str(int(since(draft).timestamp())),
            "limit": "100",
        }
        for _ in range(MAX_PAGES):
            response = await self._get(account.external_id, tokens, edge="/threads", **parameters)
            if response.status != 200:
                return as_look(self._failure(response))
            page = decode(response, _Posts)
            if page is None:
                return CannotTell(reason="Threads answered without a list of posts")
            for post in page.data:
                if mentions(post.text, draft.url):
                    return Posted(external_id=post.id, external_url=post.permalink)
            if not page.paging.after:
                return absent
            parameters["after"] = page.paging.after
        return CannotTell(reason=f"the account has more than {MAX_PAGES * 100} newer posts")

    async def _permalink(self, post_id: str, tokens: Tokens) -> str | None:
        """The address of a post; without it the post is there all the same."""
        try:
            response = await self._get(post_id, tokens, fields="id,permalink")
        except OutboundError:
            return None
        post = decode(response, _Post) if response.status == 200 else None
        return None if post is None else post.permalink

    def _failure(self, response: OutboundResponse) -> Failure:
        if response.status == 200:
            return TryLater(reason="Threads gave an answer that cannot be read")
        return classify(response, "Threads", self._now())

    async def _get(self, object_id: str, tokens: Tokens, *, edge: str = "", **parameters: str) -> OutboundResponse:
        url = f"{self._api_url}/{quote(object_id, safe='')}{edge}"
        return await graph_request(self._outbound, "GET", url, tokens, deadline=DEADLINE, **parameters)

    async def _post(self, account: Account, edge: str, tokens: Tokens, **form: str) -> OutboundResponse:
        url = f"{self._api_url}/{quote(account.external_id, safe='')}/{edge}"
        return await graph_request(self._outbound, "POST", url, tokens, deadline=POST_DEADLINE, **form)
