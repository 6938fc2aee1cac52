"""How a post gets to LinkedIn (learn.microsoft.com, Posts API).

Nobody may read a member's posts, so no look finds anything: a post whose outcome is unknown is left to a person. The
API has monthly versions that end after a year; one that has ended answers 426, which pauses the platform until the
operator sets a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from sharetally.adapters.platforms._api import (
    POST_DEADLINE,
    Failure,
    bearer,
    decode,
    is_ambiguous,
    quoted,
    retry_after,
    unpublished,
    unread,
)
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.linkedin import text as text_rules
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

DUPLICATE = "DUPLICATE_POST"
ID_HEADER = "x-restli-id"


class _InputError(msgspec.Struct, frozen=True, kw_only=True):
    code: str = ""


class _Details(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    input_errors: tuple[_InputError, ...] = ()


class _Error(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The code stands at the top or, for a post that is not valid, in the details."""

    code: str = ""
    message: str = ""
    error_details: _Details | None = None

    @property
    def codes(self) -> set[str]:
        details = self.error_details.input_errors if self.error_details else ()
        return {self.code, *(error.code for error in details)} - {""}


class LinkedInPublisher(Publisher):
    """Posts to LinkedIn for members who have connected their accounts; `api_version` is `YYYYMM`."""

    platform = "linkedin"
    deduplicates = False
    text_rule = text_rules.RULE

    def __init__(
        self,
        outbound: Outbound,
        *,
        api_version: str,
        base_url: str = "https://api.linkedin.com",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._api_version = api_version
        self._base_url = base_url
        self._now = now

    @property
    def api_version(self) -> str:
        """As it was given."""
        return self._api_version

    def text_fault(self, text: str, url: str) -> str | None:
        """By the number of characters that readers see."""
        return text_rules.text_fault(text, url)

    def warnings(self, text: str) -> Sequence[str]:
        """None."""
        return ()

    async def prepare(self, account: Account, tokens: Tokens, draft: Draft) -> Mapping[str, str]:
        """Nothing has to be known."""
        return {}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Post the text once; a duplicate is unknown, because LinkedIn may name a post that is not there."""
        post = {
            "author": f"urn:li:person:{account.external_id}",
            "commentary": text_rules.escape(draft.text),
            "visibility": "PUBLIC",
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": False,
        }
        try:
            response = await self._outbound.request(
                "POST",
                f"{self._base_url}/rest/posts",
                headers=self._headers(tokens) | {"Content-Type": "application/json"},
                body=msgspec.json.encode(post),
                deadline=POST_DEADLINE,
            )
        except OutboundError as error:
            return unpublished(error, "LinkedIn")
        if response.status < 300 or is_ambiguous(response):
            urn = response.headers.get(ID_HEADER, "")
            if response.status != 201 or not urn:
                return OutcomeUnknown(reason=f"LinkedIn answered {response.status} without the id of a post")
            return Posted(external_id=urn, external_url=f"https://www.linkedin.com/feed/update/{quote(urn, safe=':')}/")
        refusal = decode(response, _Error) or _Error()
        if response.status == 422 and DUPLICATE in refusal.codes:
            return OutcomeUnknown(reason="probably posted: LinkedIn calls the post a duplicate")
        return self._classify(response)

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Nothing can be seen."""
        return CannotTell(reason="LinkedIn does not let anybody read a member's posts; look at the profile")

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> Failure | None:
        """Delete the post; one that LinkedIn does not know is gone."""
        url = f"{self._base_url}/rest/posts/{quote(external_id, safe='')}"
        try:
            response = await self._outbound.request(
                "DELETE", url, headers=self._headers(tokens) | {"X-RestLi-Method": "DELETE"}
            )
        except OutboundError as error:
            return unread(error, "LinkedIn")
        return None if response.status in {200, 204, 404} else self._classify(response)

    def _headers(self, tokens: Tokens) -> dict[str, str]:
        return bearer(tokens) | {"LinkedIn-Version": self._api_version, "X-Restli-Protocol-Version": "2.0.0"}

    def _classify(self, response: OutboundResponse) -> Failure:
        error = decode(response, _Error) or _Error()
        now = self._now()
        match response.status:
            case 401:
                return AccessDenied(reason="LinkedIn does not accept the access token")
            case 426:
                reason = f"LinkedIn has ended version {self._api_version} of its API; the operator sets a newer one"
                return TryLater(reason=reason, pause=PauseScope.PLATFORM)
            case 429:
                at = retry_after(response, now) or _next_midnight(now)
                return TryLater(reason="the limit of the day is reached", at=at, pause=PauseScope.ACCOUNT)
            case 403:
                message = "LinkedIn does not allow this service to post for the account; connect it again"
                return PostRejected(code="forbidden", message=message)
        if is_ambiguous(response):
            return TryLater(reason=f"LinkedIn answered {response.status}", at=retry_after(response, now))
        code = min(error.codes, default=f"http-{response.status}")
        return PostRejected(code=quoted(code), message=f"LinkedIn refuses this post: {quoted(error.message) or code}")


def _next_midnight(now: datetime) -> datetime:
    """When LinkedIn's limits, which it does not publish, begin anew: at midnight UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
