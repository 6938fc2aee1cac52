"""Calls to the API of a platform: what a response says, and what a call without a response means.

A post that may have left is never taken for one that has not: a failure after the first byte, an answer that cannot be
read and a server error are all `OutcomeUnknown`, which makes the flow look before anything is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from sharetally.domain.account import Tokens
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    Draft,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.ports.outbound import OutboundError, OutboundResponse

POST_DEADLINE = 30.0  # seconds: a post that times out costs a look, so it gets more time than other calls
LONGEST_PAUSE = timedelta(days=1)  # whatever a header says
CLOCK_SKEW = timedelta(minutes=5)  # between this service and a platform
SETTLING = timedelta(minutes=1)  # until a list of posts shows what was accepted, a slow request included
SINCE = "since"  # in `Draft.prepared`: when the attempt began
Failure = TryLater | PostRejected | AccessDenied
T = TypeVar("T")


def bearer(tokens: Tokens) -> dict[str, str]:
    """The header that shows the access token (RFC 6750)."""
    return {"Authorization": f"Bearer {tokens.access}"}


def decode(response: OutboundResponse, shape: type[T]) -> T | None:
    """The JSON of a response, or None if it is not of this shape."""
    try:
        return msgspec.json.decode(response.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def unpublished(error: OutboundError, label: str) -> PublishOutcome:
    """What a post without a response means."""
    reason = f"{label} did not answer: {error}"[:200]
    return OutcomeUnknown(reason=reason) if error.request_sent else TryLater(reason=reason)


def unread(error: OutboundError, label: str) -> TryLater:
    """What a call without a response means if it may be repeated."""
    return TryLater(reason=f"{label} did not answer: {error}"[:200])


def is_ambiguous(response: OutboundResponse) -> bool:
    """Whether the status leaves open if the request was carried out."""
    return response.status >= 500 or response.status == 408


def as_look(failure: Failure) -> LookOutcome:
    """The outcome of a look that the platform did not allow."""
    return CannotTell(reason=failure.message, cost=failure.cost) if isinstance(failure, PostRejected) else failure


def retry_after(response: OutboundResponse, now: datetime) -> datetime | None:
    """When `Retry-After` allows another request (RFC 9110, 10.2.3: seconds or a date)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return now + min(timedelta(seconds=int(value[:9])), LONGEST_PAUSE)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return _bounded(at if at.tzinfo else at.replace(tzinfo=UTC), now)


def epoch_header(headers: Mapping[str, str], name: str, now: datetime) -> datetime | None:
    """A header that holds a time in seconds since 1970."""
    value = headers.get(name, "").strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        return None
    return _bounded(datetime.fromtimestamp(int(value), UTC), now)


def since(draft: Draft) -> datetime:
    """From when on the post can be there, by the clock of a platform."""
    began = draft.prepared.get(SINCE)
    return (datetime.fromisoformat(began) if began else draft.created_at) - CLOCK_SKEW


def not_listed(draft: Draft, now: datetime) -> NotThere | TryLater:
    """The outcome of a look at a list that does not hold the post: shortly after the attempt it is no proof."""
    settled = since(draft) + CLOCK_SKEW + SETTLING
    return NotThere() if now >= settled else TryLater(reason="the post may not be listed yet", at=settled)


def mentions(text: str, url: str) -> bool:
    """Whether the text holds this very address, not a longer one that begins with it."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(url)}(?![A-Za-z0-9_-])", text) is not None


def quoted(text: str) -> str:
    """What a platform wrote, bounded and on one line, for a message of ours."""
    return " ".join("".join(character for character in text[:200] if character.isprintable()).split())


def _bounded(at: datetime, now: datetime) -> datetime:
    return max(now, min(at, now + LONGEST_PAUSE))
