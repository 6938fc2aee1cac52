"""The store of console sessions: one-time sign-in codes, and the sessions that they begin.

Codes and session tokens are stored as their SHA-256 only. Every method may raise `Unavailable`, also where a
transaction lost a conflict with another one; the caller may then try once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInCode:
    """A one-time sign-in code, valid until `expires_at`; the session that it begins lasts `session_seconds`."""

    digest: bytes
    user_id: str
    scopes: frozenset[str]
    session_seconds: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A signed-in user, until `expires_at`; `name` is the display name, None if it is not known.

    `seen_at` is the time of the user's last request, accurate to a few minutes.
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
    """Sign-in codes and sessions of the console."""

    async def add_code(self, code: SignInCode) -> None:
        """Store a new sign-in code."""
        ...

    async def redeem(self, digest: bytes, now: datetime, begin: Callable[[SignInCode], Session]) -> Session | None:
        """Delete the code and store the session that `begin` makes of it, both or neither.

        None if there is no such code or it has expired, so a repeated call returns None: of any number of concurrent
        calls exactly one begins a session.
        """
        ...

    async def add(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def by_digest(self, digest: bytes) -> Session | None:
        """The session whose token has this SHA-256; an expired one too, as long as it is not purged."""
        ...

    async def record_use(self, session_id: UUID, at: datetime) -> None:
        """Set `seen_at` to this time, unless it is later already."""
        ...

    async def all(self) -> list[Session]:
        """All sessions that are stored, newest first, expired ones included."""
        ...

    async def end(self, session_id: UUID) -> bool:
        """Delete a session; False if there is none, as for a repeated call."""
        ...

    async def end_all_of(self, user_id: str) -> int:
        """Delete all sessions and codes of one user; return how many there were."""
        ...

    async def purge(self, idle_seconds: float, *, at_most: int) -> int:
        """Delete codes and sessions that have expired, and sessions that were idle for longer than this.

        Deletes at most `at_most` of each, and returns how many it deleted; the caller repeats until that is 0.
        """
        ...
