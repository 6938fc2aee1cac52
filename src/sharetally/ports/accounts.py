"""The store of connected accounts, their sealed tokens, and the connections that somebody has begun.

The tokens of an account are one sealed text in one column, so that they always change together. `revision` rises with
every change of that text; whoever writes tokens names the revision that they have read (compare-and-set). A refresh
holds the account's lease, which is taken in a transaction of its own, so that no HTTP happens within one. Each method
that takes an `AuditEntry` writes it in the same transaction. Every method may raise `Unavailable`; those that write
may raise `TransientConflict`, too, and can then be called again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sharetally.domain.account import Account
from sharetally.domain.audit import AuditEntry


class AccountKey(NamedTuple):
    """What identifies an account: a user may connect several per platform, but each only once."""

    user_id: str
    platform: str
    external_id: str
    server: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAccount:
    """An account and its sealed tokens as they are stored; `refresh_at` is when a refresh ahead of expiry is due."""

    account: Account
    sealed: str = field(repr=False)
    revision: int
    refresh_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountWrite:
    """What connecting stores for a new or an existing account, with its line of the audit."""

    id: UUID
    handle: str
    expires_at: datetime | None
    refresh_at: datetime | None
    sealed: str = field(repr=False)
    audit: AuditEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenWrite:
    """New tokens of an account, sealed."""

    sealed: str = field(repr=False)
    expires_at: datetime | None
    refresh_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingConnection:
    """A connection that was begun, until the user comes back or `expires_at`; it can be used once.

    `digest` is the SHA-256 of the state, `browser` that of the cookie of the browser that began it. `step` says what
    is awaited: the platform's answer (`authorize`), or the user's choice among several accounts (`choose`). `sealed`
    contains the PKCE verifier and what the platform's client has to keep.
    """

    id: UUID
    digest: bytes
    browser: bytes
    step: str
    user_id: str
    actor: str
    platform: str
    sealed: str = field(repr=False)
    expires_at: datetime


class AccountStore(Protocol):
    """Accounts, and connections that were begun."""

    # accounts

    async def connect(self, key: AccountKey, write: Callable[[StoredAccount | None], AccountWrite]) -> Account:
        """Insert the account, or update the existing one with this key, which is then connected again.

        `write` gets the existing account, whose row is locked, and computes what is stored; its id must be the
        existing one's. A user's first account on a platform becomes the default.
        """
        ...

    async def by_id(self, account_id: UUID) -> StoredAccount | None:
        """One account."""
        ...

    async def of_user(self, user_id: str) -> list[Account]:
        """All accounts of one user, by platform, the default first, then the oldest."""
        ...

    async def page(self, *, after: UUID | None, limit: int) -> list[StoredAccount]:
        """Accounts of all users, in the order of their ids, that follow `after`."""
        ...

    async def change(self, account_id: UUID, *, label: str | None, is_default: bool) -> Account | None:
        """Set the label; `is_default` True makes it the default in place of another, False changes nothing.

        None if there is no such account.
        """
        ...

    async def delete(self, account_id: UUID, *, revision: int, audit: AuditEntry) -> bool:
        """Delete the account if its tokens are still of this revision; the oldest other one becomes the default."""
        ...

    async def needs_reauth(self, account_id: UUID, *, revision: int, audit: AuditEntry) -> bool:
        """Record that only the user can connect the account again; False if its tokens have changed since."""
        ...

    # refreshing

    async def take_lease(self, account_id: UUID, holder: UUID, *, seconds: float) -> StoredAccount | None:
        """Take the account's lease, by the database's clock; None if somebody else has it, or there is no account.

        Whoever has it already takes it again: the reply to the first call may have been lost.
        """
        ...

    async def release_lease(self, account_id: UUID, holder: UUID) -> None:
        """Give the lease back; nothing happens if it belongs to somebody else by now."""
        ...

    async def store_tokens(
        self, account_id: UUID, tokens: TokenWrite, *, revision: int, audit: AuditEntry | None
    ) -> bool:
        """Replace the tokens and end the lease, if the tokens are still of this revision; otherwise False.

        Whoever has new tokens may store them even if the lease has passed to somebody else: the old ones may be dead.
        """
        ...

    async def reseal(self, account_id: UUID, sealed: str, *, revision: int) -> bool:
        """Replace the sealed text by one of another key; False if the tokens have changed since. Leases stay."""
        ...

    async def postpone_refresh(self, account_id: UUID, *, until: datetime, audit: AuditEntry) -> None:
        """Set when a refresh is due again after one has failed."""
        ...

    async def due_for_refresh(self, now: datetime, *, limit: int) -> list[UUID]:
        """Connected accounts whose refresh is due, the longest overdue first."""
        ...

    # connections that were begun

    async def begin(self, pending: PendingConnection, *, at_most: int, audit: AuditEntry | None) -> None:
        """Store it; expired ones are deleted, and of this user's the oldest beyond `at_most`."""
        ...

    async def redeem(
        self, digest: bytes, *, browser: bytes, platform: str, step: str, now: datetime
    ) -> PendingConnection | None:
        """Delete and return it, so that of any number of concurrent calls exactly one gets it.

        None, and nothing is deleted, if it was used, has expired, or belongs to another browser, platform or step.
        """
        ...

    async def record(self, audit: AuditEntry) -> None:
        """Write a line of the audit about a connection that did not come about."""
        ...
