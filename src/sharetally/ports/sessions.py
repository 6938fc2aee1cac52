"""Signing in to the console: codes that are good once, and sessions; both are stored as their SHA-256 alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInCode:
    """What a one-time link stands for, until `expires_at`; its session lasts `session_seconds`."""

    digest: bytes
    user_id: str
    scopes: frozenset[str]
    session_seconds: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """Somebody who is signed in, until `expires_at`; `name` is what people call them, where that is known.

    `seen_at` is when they last asked for anything, to some minutes.
    """

    id: UUID
    digest: bytes
    user_id: str
    name: str | None
    scopes: frozenset[str]
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class SessionStore(Protocol):
    """Codes and sessions of the console."""

    async def add_code(self, code: SignInCode) -> None:
        """Store a new code."""
        ...

    async def redeem(self, digest: bytes, now: datetime, begin: Callable[[SignInCode], Session]) -> Session | None:
        """Use a code up and begin its session, both or neither; None if there is none, or it has expired.

        Of any number at once exactly one begins a session.
        """
        ...

    async def begin_session(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def session_by_digest(self, digest: bytes) -> Session | None:
        """The session with this SHA-256, past ones included as long as they are kept."""
        ...

    async def record_session_use(self, session_id: UUID, at: datetime) -> None:
        """Note that it is in use; the latest time stays."""
        ...

    async def sessions(self) -> list[Session]:
        """All sessions that are kept, newest first."""
        ...

    async def end_session(self, session_id: UUID) -> bool:
        """Forget a session; False if there is no such one."""
        ...

    async def end_sessions_of(self, user_id: str) -> int:
        """Forget all sessions and codes of one user; return how many there were."""
        ...
