"""What Meta's APIs have in common: Facebook's Graph API and the Threads API.

An error has a `code` and often an `error_subcode`; both are documented, the message is not
(developers.facebook.com, Graph API, handle errors). 190 says that a token is no longer valid; its subcode says why and
what the person can do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from sharetally.adapters.platforms._api import Failure, bearer, decode, is_ambiguous, quoted, retry_after
from sharetally.adapters.platforms._oauth import OAuthError
from sharetally.domain.account import Tokens
from sharetally.domain.post import AccessDenied, PauseScope, PostRejected, TryLater
from sharetally.ports.outbound import Outbound, OutboundResponse

INVALID_TOKEN = frozenset({102, 190})
APPLICATION_LIMIT = 4
ACCOUNT_LIMITS = frozenset({17, 32, 341, 613, 80001, 80002, 80005})
OUTAGES = frozenset({1, 2})  # the request may have been carried out
ENDED_VERSIONS = frozenset({12, 2635})
BLOCKED = 368
PARAMETER = 100
NO_SUCH_OBJECT = 33  # subcode of 100
WHY_INVALID = {
    458: "the user has removed this service",
    459: "the user has to log in on the platform's own site first, which holds a security check",
    460: "the password has changed",
    463: "the access token has expired",
    464: "the user has not confirmed the account",
    467: "the access token has been withdrawn",
    492: "the user no longer has the role on the page that posting needs",
}


class GraphError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong; code 0 stands for an answer without one."""

    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False
    message: str = ""


class _Failed(msgspec.Struct, frozen=True, kw_only=True):
    error: GraphError


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    estimated_time_to_regain_access: int = 0


class ObjectId(msgspec.Struct, frozen=True, kw_only=True):
    """What creating something answers."""

    id: str


class Cursors(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next page begins."""

    after: str = ""


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Without `next` this page is the last one."""

    cursors: Cursors = Cursors()
    next: str = ""

    @property
    def after(self) -> str:
        """The cursor of the next page, or nothing."""
        return self.cursors.after if self.next else ""


async def graph_request(
    outbound: Outbound, method: str, url: str, tokens: Tokens, *, deadline: float, **parameters: str
) -> OutboundResponse:
    """One call: parameters go into the query of a GET and the form of a POST, the token never into the URL."""
    headers = bearer(tokens)
    if method == "POST":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await outbound.request(
            method, url, headers=headers, body=urlencode(parameters).encode(), deadline=deadline
        )
    return await outbound.request(
        method, f"{url}?{urlencode(parameters)}" if parameters else url, headers=headers, deadline=deadline
    )


def graph_error(response: OutboundResponse) -> GraphError:
    """The error in a response."""
    failed = decode(response, _Failed)
    return failed.error if failed else GraphError()


def oauth_error(response: OutboundResponse) -> OAuthError:
    """The error of Meta's token endpoints in the terms of OAuth 2: 100 is a code or token that is not accepted."""
    code = graph_error(response).code
    if code == PARAMETER or code in INVALID_TOKEN:
        return OAuthError(error="invalid_grant")
    return OAuthError(error="invalid_client" if response.status == 400 and code not in OUTAGES else "")


def may_have_happened(response: OutboundResponse) -> bool:
    """Whether a failed POST may have been carried out."""
    error = graph_error(response)
    limited = error.code == APPLICATION_LIMIT or error.code in ACCOUNT_LIMITS
    return error.code in OUTAGES or (error.is_transient and not limited) or (error.code == 0 and is_ambiguous(response))


def classify(response: OutboundResponse, label: str, now: datetime) -> Failure:
    """What a response that is no success means."""
    error = graph_error(response)
    code, subcode = error.code, error.error_subcode
    if code in INVALID_TOKEN or (code == 0 and response.status == 401):
        why = WHY_INVALID.get(subcode, "the access token is no longer valid")
        return AccessDenied(reason=f"{label}: {why}")
    if code == APPLICATION_LIMIT:
        reason = f"{label} allows this service no more calls at the moment"
        return TryLater(reason=reason, at=_regain(response, now), pause=PauseScope.APPLICATION)
    if code in ACCOUNT_LIMITS or response.status == 429:
        reason = f"{label} allows the account no more calls at the moment"
        return TryLater(reason=reason, at=_regain(response, now), pause=PauseScope.ACCOUNT)
    if code in ENDED_VERSIONS:
        reason = f"{label} has ended this version of its API; the operator sets a newer one"
        return TryLater(reason=reason, pause=PauseScope.PLATFORM)
    if code in OUTAGES or error.is_transient or is_ambiguous(response):
        return TryLater(reason=f"{label} has a temporary fault ({code or response.status})", at=_regain(response, now))
    if code == BLOCKED:
        message = f"{label} has blocked posting for breaking its rules; the user finds out more there"
        return PostRejected(code="blocked", message=message)
    if code == 10 or 200 <= code <= 299:
        message = f"the account has not given the permission to post to {label}; connect it again and agree to all"
        return PostRejected(code="forbidden", message=message)
    numbers = "-".join(str(number) for number in (code, subcode) if number)
    name = numbers or f"http-{response.status}"
    return PostRejected(code=name, message=f"{label} refuses this post ({name}): {quoted(error.message)}")


def _regain(response: OutboundResponse, now: datetime) -> datetime | None:
    """When Meta expects to allow calls again: `X-Business-Use-Case-Usage` holds minutes for each object."""
    try:
        usage = msgspec.json.decode(
            response.headers.get("x-business-use-case-usage", ""), type=dict[str, tuple[_Usage, ...]]
        )
    except msgspec.DecodeError:
        return retry_after(response, now)
    minutes = max((each.estimated_time_to_regain_access for uses in usage.values() for each in uses), default=0)
    return now + timedelta(minutes=min(minutes, 24 * 60)) if minutes > 0 else retry_after(response, now)
