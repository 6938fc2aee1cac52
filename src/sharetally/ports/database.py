"""All that a database adapter implements: the parts, API keys, sessions and the schema."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sharetally.ports.analytics import AnalyticsStore
from sharetally.ports.deliveries import DeliveryStore
from sharetally.ports.ledger import Ledger
from sharetally.ports.outbox import Outbox
from sharetally.ports.read_store import ProofStore, ReadStore
from sharetally.ports.sessions import SessionStore


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A server's key as stored: the key itself is only known as its SHA-256."""

    id: UUID
    name: str
    digest: bytes
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class KeyStore(Protocol):
    """API keys."""

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key; `Conflict` while another that is not revoked has its name, `TransientConflict` if one just came."""
        ...

    async def keys(self) -> list[ApiKey]:
        """All keys, newest first, revoked ones included."""
        ...

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, revoked or not."""
        ...

    async def key(self, key_id: UUID) -> ApiKey | None:
        """One key, revoked or not."""
        ...

    async def record_use(self, key_ids: Collection[UUID], *, at_most_every: float) -> None:
        """Note that these keys are in use, unless that was noted within so many seconds."""
        ...

    async def revoke_key(self, key_id: UUID) -> bool:
        """Revoke; False if there is no such key. Repeating keeps the first time."""
        ...


class Schema(Protocol):
    """The schema of the database."""

    async def revision(self) -> str | None:
        """The revision that the database stands at, None before the first."""
        ...

    async def purge_responses(self, older_than_seconds: float, *, at_most: int) -> int:
        """Forget stored answers of Idempotency-Keys that are older, that many in one go; return how many."""
        ...

    async def purge_sessions(self, idle_seconds: float, *, at_most: int) -> int:
        """Forget codes and sessions that have expired or idled for longer, so many of each; return how many."""
        ...


class Database(Ledger, Outbox, ReadStore, ProofStore, AnalyticsStore, KeyStore, SessionStore, Schema, Protocol):
    """All of it: what a database adapter implements."""

    @property
    def deliveries(self) -> DeliveryStore:
        """What leaves for the outside world."""
        ...

    async def open(self) -> None:
        """Connect; `Unavailable` when nobody answers."""
        ...

    async def close(self) -> None:
        """Give every connection back; repeating is fine."""
        ...
