"""Requests to a homeserver, and what its refusals mean (Matrix specification, Client-Server API)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import msgspec

from sharetally.domain.account import Tokens
from sharetally.domain.post import AccessDenied, PauseScope, PostRejected, TryLater
from sharetally.ports.outbound import Outbound, OutboundResponse

USER, DEVICE = "user", "device"  # in `Tokens.private`: who posts, and in which session
TOKEN_ERRORS = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})
DEADLINE = 30.0  # seconds: an answer that is missed costs a look, so the homeserver gets more time than usual
MAX_BYTES = 4 * 1024 * 1024  # of an answer: a page of messages may be long
LONGEST_PAUSE = timedelta(days=1)  # whatever a homeserver says
T = TypeVar("T")


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a refusal."""

    errcode: str = ""
    error: str = ""
    retry_after_ms: int | None = None


class Homeserver:
    """Sends requests with a user's access token. Each is sent once, and raises `OutboundError` without an answer."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def request(
        self, method: str, server: str, path: str, tokens: Tokens, body: dict[str, str] | None = None
    ) -> OutboundResponse:
        """The answer to one request; `path` begins below `/_matrix/client/v3/`."""
        headers = {"Authorization": f"Bearer {tokens.access}", "Content-Type": "application/json"}
        sent = b"" if method == "GET" else msgspec.json.encode(body or {})
        url = f"{server}/_matrix/client/v3/{path}"
        return await self._outbound.request(
            method, url, headers=headers, body=sent, deadline=DEADLINE, max_bytes=MAX_BYTES
        )


def join_path(*parts: str) -> str:
    """A path whose parts are percent-encoded: the ids of rooms and events contain `!`, `#`, `:` and `$`."""
    return "/".join(quote(part, safe="") for part in parts)


def decode(response: OutboundResponse, shape: type[T]) -> T | None:
    """The JSON of an answer, or None if it is not of this shape."""
    try:
        return msgspec.json.decode(response.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def error_of(response: OutboundResponse) -> Error:
    """The refusal in an answer; without a code if a proxy answered in the homeserver's place."""
    return decode(response, Error) or Error()


def is_ambiguous(response: OutboundResponse) -> bool:
    """Whether the answer leaves open if the request was carried out."""
    return response.status < 400 or response.status == 408 or response.status >= 500


def failure(response: OutboundResponse, now: datetime) -> TryLater | PostRejected | AccessDenied:
    """What an answer other than 200 means for somebody who wanted something done."""
    error = error_of(response)
    if error.errcode in TOKEN_ERRORS:
        return AccessDenied(reason="the homeserver does not accept the access token")
    if response.status == 429:
        at = _retry_after(response, error, now)
        return TryLater(reason="the homeserver allows no more messages now", at=at, pause=PauseScope.ACCOUNT)
    if is_ambiguous(response):
        return TryLater(reason=f"the homeserver answered {response.status}")
    if error.errcode == "M_FORBIDDEN":
        return PostRejected(
            code=error.errcode,
            message="the homeserver does not let this user write in the room: join it, or get the permission there",
        )
    code = error.errcode or f"http-{response.status}"
    reason = " ".join(error.error[:200].split()) or code
    return PostRejected(code=code[:64], message=f"the homeserver refuses this message: {reason}")


def _retry_after(response: OutboundResponse, error: Error, now: datetime) -> datetime | None:
    """`retry_after_ms`, or the header that replaces it from version 1.10 of the specification on."""
    header = response.headers.get("retry-after", "")
    if header.isascii() and header.isdigit():
        return now + min(timedelta(seconds=int(header[:9])), LONGEST_PAUSE)
    if error.retry_after_ms is not None and error.retry_after_ms >= 0:
        return now + min(timedelta(milliseconds=min(error.retry_after_ms, 10**9)), LONGEST_PAUSE)
    return None
