"""Values for the suites of the account store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from secrets import token_bytes
from typing import Any

from sharetally.domain.account import Account
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.ids import new_id
from sharetally.ports import AccountKey, AccountWrite, PendingConnection, StoredAccount, TokenWrite
from tests.contracts.database_rows import AT, audit_entry

LATER = AT + timedelta(hours=2)
KEY = AccountKey(user_id="anna", platform="bluesky", external_id="did:plc:anna", server="https://bsky.social")


def account_line(action: str, **changes: Any) -> AuditEntry:
    """A line of the audit about an account."""
    subject = new_id()
    about = ContentRef(type="account", id=str(subject))
    return audit_entry(action=action, subject_id=subject, content=about, platform="bluesky", status=None, **changes)


def connecting(sealed: str = "v1.k.AAAA", **changes: Any) -> Callable[[StoredAccount | None], AccountWrite]:
    """What connecting writes; an existing account keeps its id."""

    def write(existing: StoredAccount | None) -> AccountWrite:
        fields: dict[str, Any] = {"handle": "anna.example", "expires_at": LATER, "refresh_at": AT, "sealed": sealed}
        account_id = existing.account.id if existing else new_id()
        return AccountWrite(id=account_id, audit=account_line("account_connected"), **(fields | changes))

    return write


def tokens(sealed: str = "v1.k.BBBB", **changes: Any) -> TokenWrite:
    """New tokens."""
    fields: dict[str, Any] = {"sealed": sealed, "expires_at": LATER, "refresh_at": None}
    return TokenWrite(**(fields | changes))


def pending(**changes: Any) -> PendingConnection:
    """A connection that anna has begun."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "digest": token_bytes(32),
        "browser": b"b" * 32,
        "step": "authorize",
        "user_id": "anna",
        "actor": "anna",
        "platform": "bluesky",
        "sealed": "v1.k.CCCC",
        "expires_at": LATER,
    }
    return PendingConnection(**(fields | changes))


def ids(accounts: list[Account]) -> list[str]:
    """Their names at the platform, in order."""
    return [each.external_id for each in accounts]
