"""How a post gets to a Mastodon server, and how to see whether it is there (docs.joinmastodon.org, statuses API).

A server drops a post with an `Idempotency-Key` that it has seen within the hour. It may still answer 500 although the
post exists, and a server that only resembles Mastodon may ignore the key, so a look comes before every repetition: it
searches the account's own posts since the attempt for the post's own address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import msgspec

from sharetally.adapters.platforms._api import (
    LONGEST_PAUSE,
    POST_DEADLINE,
    SINCE,
    Failure,
    as_look,
    bearer,
    decode,
    is_ambiguous,
    mentions,
    not_listed,
    quoted,
    retry_after,
    since,
    unpublished,
    unread,
)
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.mastodon import text as text_rules
from sharetally.adapters.platforms.mastodon.limits import MAX_PAGE_BYTES, ServerLimits
from sharetally.adapters.platforms.mastodon.text import Limits
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
from sharetally.ports.outbound import Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import Publisher

PAGE_SIZE = 40
MAX_PAGES = 5


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    error: str = ""


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created_at: datetime | None = None
    url: str | None = None
    content: str = ""


class MastodonPublisher(Publisher):
    """Posts to the servers of accounts that have been connected."""

    platform = "mastodon"
    deduplicates = True
    deduplicates_for = timedelta(hours=1)
    text_rule = text_rules.RULE

    def __init__(self, outbound: Outbound, *, now: Callable[[], datetime] = utc_now) -> None:
        self._outbound = outbound
        self._limits = ServerLimits(outbound)
        self._now = now

    def text_fault(self, text: str, url: str) -> str | None:
        """By the limits of a server that has not set its own."""
        return text_rules.text_fault(text, url)

    async def account_text_fault(self, account: Account, text: str, url: str) -> str | None:
        """By the limits of the account's server; a server that does not tell them is left to `prepare`."""
        limits = await self._limits.quickly(account.server)
        return text_rules.text_fault(text, url, limits) if limits else None

    def warnings(self, text: str) -> Sequence[str]:
        """None."""
        return ()

    async def prepare(
        self, account: Account, tokens: Tokens, draft: Draft
    ) -> Mapping[str, str] | TryLater | PostRejected | AccessDenied:
        """Note when the attempt begins, and compare the text with the limits of the account's own server."""
        began = self._now()
        try:
            limits = await self._limits.read(account.server)
        except OutboundError as error:
            return unread(error, "Mastodon")
        if not isinstance(limits, Limits):
            return self._failure(limits)
        if fault := text_rules.text_fault(draft.text, draft.url, limits):
            return PostRejected(code="text-too-long", message=f"{fault} Your server sets this limit.")
        return {SINCE: began.isoformat()}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Post the text, with the post's id as its key."""
        headers = bearer(tokens) | {"Content-Type": "application/json", "Idempotency-Key": str(draft.id)}
        try:
            response = await self._outbound.request(
                "POST",
                f"{account.server}/api/v1/statuses",
                headers=headers,
                body=msgspec.json.encode({"status": draft.text}),
                deadline=POST_DEADLINE,
            )
        except OutboundError as error:
            return unpublished(error, "Mastodon")
        if response.status < 400 or is_ambiguous(response):
            status = decode(response, _Status)
            if response.status != 200 or status is None:
                return OutcomeUnknown(reason=f"Mastodon answered {response.status} without the id of a post")
            return _posted(status)
        return self._failure(response)

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Search the account's own posts since the attempt for the post's own address."""
        query, oldest = {"limit": str(PAGE_SIZE), "exclude_reblogs": "true"}, since(draft)
        for _ in range(MAX_PAGES):
            path = f"/api/v1/accounts/{quote(account.external_id, safe='')}/statuses?{urlencode(query)}"
            try:
                response = await self._outbound.request(
                    "GET", account.server + path, headers=bearer(tokens), max_bytes=MAX_PAGE_BYTES
                )
            except OutboundError as error:
                return unread(error, "Mastodon")
            if response.status != 200:
                return as_look(self._failure(response))
            page = decode(response, tuple[_Status, ...])
            if page is None:
                return CannotTell(reason="Mastodon answered without a list of posts")
            for status in page:
                if _contains(status.content, draft.url):
                    return _posted(status)
            if not page or _is_older(page[-1], oldest):
                return not_listed(draft, self._now())
            query["max_id"] = page[-1].id
        return CannotTell(reason=f"the account has more than {PAGE_SIZE * MAX_PAGES} newer posts")

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> Failure | None:
        """Delete the post; one that the server does not know is gone."""
        url = f"{account.server}/api/v1/statuses/{quote(external_id, safe='')}"
        try:
            response = await self._outbound.request("DELETE", url, headers=bearer(tokens))
        except OutboundError as error:
            return unread(error, "Mastodon")
        return None if response.status in {200, 404, 410} else self._failure(response)

    def _failure(self, response: OutboundResponse) -> Failure:
        now, error = self._now(), decode(response, _Error) or _Error()
        if response.status == 401:
            return AccessDenied(reason="the Mastodon server does not accept the access token")
        if response.status == 429:
            at = retry_after(response, now) or _reset(response, now)
            reason = "the Mastodon server allows no more posts at the moment"
            return TryLater(reason=reason, at=at, pause=PauseScope.ACCOUNT)
        if is_ambiguous(response) or response.status < 400:
            return TryLater(reason=f"the Mastodon server answered {response.status}", at=retry_after(response, now))
        reason = quoted(error.error) or f"status {response.status}"
        return PostRejected(code=f"http-{response.status}", message=f"the Mastodon server refuses this post: {reason}")


class _Links(HTMLParser):
    """Collects the addresses and the text of a status."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses = list[str]()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def _contains(content: str, url: str) -> bool:
    """Whether the HTML of a status links to this address, or shows it where a server makes no link of it."""
    links = _Links()
    links.feed(content)
    links.close()
    return url in links.addresses or mentions(links.text, url)


def _is_older(status: _Status, oldest: datetime) -> bool:
    at = status.created_at
    return at is not None and (at if at.tzinfo else at.replace(tzinfo=UTC)) < oldest


def _reset(response: OutboundResponse, now: datetime) -> datetime | None:
    """`X-RateLimit-Reset`, which is a date here (docs.joinmastodon.org, rate limits)."""
    try:
        at = datetime.fromisoformat(response.headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    return max(now, min(at if at.tzinfo else at.replace(tzinfo=UTC), now + LONGEST_PAUSE))


def _posted(status: _Status) -> Posted:
    return Posted(external_id=status.id, external_url=status.url)
