"""How a post gets to X, and how to see whether it is there (docs.x.com, API v2).

X does not drop repeated posts reliably and answers a repeated text with 403, which only its exact `detail` tells apart.
A look reads the user's own timeline since the attempt and compares the expanded addresses with the post's own. X is
paid by use, and each post that a look reads is charged: therefore a look reads one page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import msgspec

from sharetally.adapters.platforms._api import (
    POST_DEADLINE,
    SINCE,
    Failure,
    as_look,
    bearer,
    decode,
    epoch_header,
    is_ambiguous,
    not_listed,
    quoted,
    retry_after,
    since,
    unpublished,
    unread,
)
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.twitter import text as text_rules
from sharetally.adapters.platforms.twitter.urls import find_urls
from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    Draft,
    LookOutcome,
    OutcomeUnknown,
    PauseScope,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.domain.spending import Costs
from sharetally.ports.outbound import Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import Publisher

# micro-dollars (docs.x.com, pricing)
POST_WITH_URL_COST = 200_000
POST_COST = 15_000
DELETE_COST = 10_000
OWN_READ_COST = 1_000  # of each post that is read, of a user who has authorised the app

DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
PAGE_SIZE = 100


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457; the last part of `type` is the documented code, `about:blank` is none."""

    type: str = ""
    title: str = ""
    detail: str = ""


class _Id(msgspec.Struct, frozen=True, kw_only=True):
    id: str


class _Created(msgspec.Struct, frozen=True, kw_only=True):
    data: _Id


class _Url(msgspec.Struct, frozen=True, kw_only=True):
    expanded_url: str = ""


class _Entities(msgspec.Struct, frozen=True, kw_only=True):
    urls: tuple[_Url, ...] = ()


class _Post(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    entities: _Entities = _Entities()


class _Meta(msgspec.Struct, frozen=True, kw_only=True):
    result_count: int
    next_token: str = ""


class _Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Without `meta` it is a partial error, whatever the status says."""

    meta: _Meta
    data: tuple[_Post, ...] = ()


class TwitterPublisher(Publisher):
    """Posts to X for accounts that have been connected."""

    platform = "twitter"
    deduplicates = False
    text_rule = text_rules.RULE

    def __init__(
        self, outbound: Outbound, *, base_url: str = "https://api.x.com", now: Callable[[], datetime] = utc_now
    ) -> None:
        self._outbound = outbound
        self._base_url = base_url
        self._now = now

    def costs(self, draft: Draft) -> Costs:
        """A post with any address in it costs more than one without."""
        has_url = "://" in draft.text or any(find_urls(draft.text))
        return Costs(
            post=POST_WITH_URL_COST if has_url else POST_COST, look=PAGE_SIZE * OWN_READ_COST, delete=DELETE_COST
        )

    def text_fault(self, text: str, url: str) -> str | None:
        """By X's weighted length."""
        return text_rules.text_fault(text, url)

    def warnings(self, text: str) -> Sequence[str]:
        """About mentions."""
        return text_rules.warnings(text)

    async def prepare(self, account: Account, tokens: Tokens, draft: Draft) -> Mapping[str, str]:
        """Note when the attempt begins: a look reads, and pays for, nothing older."""
        return {SINCE: self._now().isoformat()}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Post the text once; one that X calls a duplicate is probably there, and has to be looked up."""
        try:
            response = await self._outbound.request(
                "POST",
                f"{self._base_url}/2/tweets",
                headers=bearer(tokens) | {"Content-Type": "application/json"},
                body=msgspec.json.encode({"text": draft.text}),
                deadline=POST_DEADLINE,
            )
        except OutboundError as error:
            return unpublished(error, "X")
        if response.status in {200, 201} or is_ambiguous(response):
            created = decode(response, _Created)
            if created is None or response.status >= 300:
                return OutcomeUnknown(reason=f"X answered {response.status} without the id of a post")
            return _posted(account, created.data.id)
        if _is_duplicate(response):
            return OutcomeUnknown(reason="X calls the post a duplicate")
        return self._classify(response)

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Search the account's own posts since the attempt for the post's own address."""
        query = {
            "max_results": str(PAGE_SIZE),
            "exclude": "retweets",
            "tweet.fields": "entities",
            "start_time": since(draft).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        url = f"{self._base_url}/2/users/{quote(account.external_id, safe='')}/tweets?{urlencode(query)}"
        try:
            response = await self._outbound.request("GET", url, headers=bearer(tokens))
        except OutboundError as error:
            return _unread(error)
        if response.status != 200:
            return as_look(self._classify(response))
        timeline = decode(response, _Timeline)
        if timeline is None:
            return CannotTell(reason="X answered without a timeline")
        cost = len(timeline.data) * OWN_READ_COST
        for post in timeline.data:
            if any(entity.expanded_url == draft.url for entity in post.entities.urls):
                return replace(_posted(account, post.id), cost=cost)
        if timeline.meta.next_token:
            return CannotTell(reason=f"the account has more than {PAGE_SIZE} newer posts", cost=cost)
        return replace(not_listed(draft, self._now()), cost=cost)

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> Failure | None:
        """Delete the post; one that X does not know is gone."""
        url = f"{self._base_url}/2/tweets/{quote(external_id, safe='')}"
        try:
            response = await self._outbound.request("DELETE", url, headers=bearer(tokens))
        except OutboundError as error:
            return _unread(error)
        return None if response.status in {200, 404} else self._classify(response)

    def _classify(self, response: OutboundResponse) -> Failure:
        """A request that X refuses costs nothing."""
        return replace(self._refusal(response), cost=0)

    def _refusal(self, response: OutboundResponse) -> Failure:
        problem = decode(response, _Problem) or _Problem()
        kind = problem.type.rpartition("/")[2]
        if response.status == 401:
            return AccessDenied(reason="X does not accept the access token")
        if response.status == 402 or kind == "usage-capped":
            return TryLater(reason="the credits of this service at X are used up", pause=PauseScope.APPLICATION)
        if response.status == 429:
            return self._rate_limited(response)
        if is_ambiguous(response):
            return TryLater(reason=f"X answered {response.status}", at=retry_after(response, self._now()))
        if kind == "client-forbidden":
            message = "X does not allow this service to post; tell its operator"
            return PostRejected(code=kind, message=message)
        code = kind if kind and kind != "about:blank" else f"http-{response.status}"
        return PostRejected(
            code=quoted(code), message=f"X refuses this post: {quoted(problem.detail or problem.title)}"
        )

    def _rate_limited(self, response: OutboundResponse) -> TryLater:
        """The limits of the day count if they are what ran out; otherwise the quarter of an hour of the account."""
        now, headers = self._now(), response.headers
        wait = TryLater(reason="X allows no more posts at the moment", pause=PauseScope.ACCOUNT)
        for name, scope in (("app", PauseScope.APPLICATION), ("user", PauseScope.ACCOUNT)):
            if headers.get(f"x-{name}-limit-24hour-remaining") == "0":
                return replace(wait, at=epoch_header(headers, f"x-{name}-limit-24hour-reset", now), pause=scope)
        return replace(wait, at=epoch_header(headers, "x-rate-limit-reset", now) or retry_after(response, now))


def _unread(error: OutboundError) -> TryLater:
    """A call without a response may have been charged, unless it never left."""
    return replace(unread(error, "X"), cost=None if error.request_sent else 0)


def _is_duplicate(response: OutboundResponse) -> bool:
    """X documents no code for it: `type` is about:blank, and `detail` is the whole of this sentence."""
    problem = decode(response, _Problem)
    return response.status == 403 and problem is not None and problem.detail == DUPLICATE


def _posted(account: Account, post_id: str) -> Posted:
    return Posted(external_id=post_id, external_url=f"https://x.com/{quote(account.handle, safe='')}/status/{post_id}")
