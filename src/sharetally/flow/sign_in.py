"""Signing in to the console: a code that can be used once, and the session that it begins.

A code is valid for ten minutes. A session ends when its time is over, when it has not been used for `IDLE_SECONDS`, or
when somebody ends it, whichever comes first. Both are 256 random bits as text that is shown once; only the SHA-256 is
stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Set
from datetime import datetime, timedelta

from sharetally.domain.caller import SCOPES
from sharetally.domain.content import id_fault
from sharetally.domain.errors import InvalidRequest
from sharetally.domain.ids import new_id
from sharetally.ports import Session, SignInCode

CODE_SECONDS = 600
SESSION_SECONDS = 12 * 3600
MAX_SESSION_SECONDS = 7 * 86_400
IDLE_SECONDS = 2 * 3600
MAX_NAME = 128
CONSOLE_SCOPES = tuple(scope for scope in SCOPES if scope != "act-as")


def digest_of(plain: str) -> bytes:
    """The digest that is stored of a code or a session; 256 random bits do not need a slow hash."""
    return hashlib.sha256(plain.encode()).digest()


def new_sign_in_code(user_id: str, scopes: Set[str], *, session_seconds: int, now: datetime) -> tuple[str, SignInCode]:
    """Create a code: the text to show once, and what to store; `InvalidRequest` names the invalid argument."""
    if fault := id_fault(user_id):
        raise InvalidRequest(("user", fault))
    if not scopes or not scopes <= set(CONSOLE_SCOPES):
        raise InvalidRequest(("scope", f"must be some of {', '.join(CONSOLE_SCOPES)}"))
    if not 1 <= session_seconds <= MAX_SESSION_SECONDS:
        raise InvalidRequest(("ttl", f"must be 1 to {MAX_SESSION_SECONDS} seconds"))
    plain = secrets.token_urlsafe(32)
    code = SignInCode(
        digest=digest_of(plain),
        user_id=user_id,
        scopes=frozenset(scopes),
        session_seconds=session_seconds,
        expires_at=now + timedelta(seconds=CODE_SECONDS),
    )
    return plain, code


def new_session(
    user_id: str, scopes: Set[str], *, now: datetime, seconds: int = SESSION_SECONDS, name: str | None = None
) -> tuple[str, Session]:
    """Create a session: the text for its cookie, and what to store."""
    plain = secrets.token_urlsafe(32)
    session = Session(
        id=new_id(),
        digest=digest_of(plain),
        user_id=user_id,
        name=name[:MAX_NAME] if name else None,
        scopes=frozenset(scopes),
        created_at=now,
        seen_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    return plain, session


def is_valid(session: Session, now: datetime) -> bool:
    """Whether the session has neither expired nor been idle for too long."""
    return now < session.expires_at and now < session.seen_at + timedelta(seconds=IDLE_SECONDS)
