"""What goes in and out of making tokens, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from sharetally.web.fields import RequestModel, ResponseModel, UserId, UtcDateTime

_SCOPE = "(shares|audit|analytics|admin)"


class TokenBody(RequestModel, frozen=True):
    """Whom the token is for, what it may, and for how long."""

    userId: UserId
    scope: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description="Some of `shares`, `audit`, `analytics`, `admin`, separated by spaces; none that it lacks.",
            extra_json_schema={"pattern": rf"^\s*{_SCOPE}(\s+{_SCOPE})*\s*$"},
        ),
    ] = "shares"
    ttl: Annotated[int, Meta(ge=1, le=86_400, description="Seconds.")] = 300


class Token(ResponseModel, frozen=True):
    """A token for one's own front end."""

    token: str
    scope: str
    expiresAt: UtcDateTime
