"""When tokens are refreshed: right before they expire if somebody needs them, and otherwise often enough to live on.

An unused grant ends by itself at some platforms, so an account that nobody posts from is refreshed every three days.
A token that lives for weeks is refreshed a week before it expires. Without a refresh token nothing can be renewed: the
access token is used until it expires, and then the account says that its user has to connect it again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sharetally.domain.account import Tokens

AHEAD = timedelta(minutes=2)  # a token that expires sooner is refreshed before it is used
KEEP_ALIVE = timedelta(days=3)
LONG_LIVED = timedelta(days=14)
LONG_LIVED_AHEAD = timedelta(days=7)


def is_fresh(tokens: Tokens, now: datetime) -> bool:
    """Whether the access token is good for a call that begins now."""
    if tokens.expires_at is None:
        return True
    return tokens.expires_at - now > AHEAD if tokens.refresh is not None else not is_expired(tokens, now)


def is_expired(tokens: Tokens, now: datetime) -> bool:
    """Whether the access token is of no use any more."""
    return tokens.expires_at is not None and tokens.expires_at <= now


def next_refresh(tokens: Tokens, now: datetime) -> datetime | None:
    """When these tokens are refreshed although nobody uses them; None if they do not expire."""
    if tokens.expires_at is None or tokens.refresh is None:
        return tokens.expires_at
    return tokens.expires_at - LONG_LIVED_AHEAD if tokens.expires_at - now > LONG_LIVED else now + KEEP_ALIVE
