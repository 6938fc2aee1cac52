"""The store of API keys, which servers authenticate with.

Every method may raise `Unavailable`; methods that write may also raise `TransientConflict`, after which the call can
be repeated.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """An API key as stored: of the key itself only the SHA-256 is known."""

    id: UUID
    name: str
    digest: bytes
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class KeyStore(Protocol):
    """API keys."""

    async def add(self, key: ApiKey) -> None:
        """Store a new key.

        `Conflict` if another active key has its name, `TransientConflict` if such a key is being created right now.
        """
        ...

    async def all(self) -> list[ApiKey]:
        """All keys, newest first, revoked keys included."""
        ...

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, revoked or not; None if there is none."""
        ...

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        """The key with this id, revoked or not; None if there is none."""
        ...

    async def record_use(self, key_ids: Collection[UUID], *, at_most_every: float) -> None:
        """Set `last_used_at` of these keys to now, except where it was set within the last `at_most_every` seconds."""
        ...

    async def revoke(self, key_id: UUID) -> bool:
        """Revoke a key; False if there is no such key. Repeating keeps the first time."""
        ...
