"""What is sealed before it is stored: the tokens of an account, and what a connection that was begun has to keep.

Each value is bound to its user, platform and row, so that one user's tokens are of no use under another's id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import msgspec

from sharetally.domain.account import Tokens
from sharetally.ports.accounts import PendingConnection, StoredAccount
from sharetally.ports.posting_platform import Connection
from sharetally.ports.vault import SealContext, Vault, VaultError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizationSecrets:
    """What the callback needs: the PKCE verifier, and what the platform's client keeps."""

    code_verifier: str = field(repr=False)
    private: dict[str, str] = field(repr=False)


class Sealing:
    """Seals and opens the secrets of accounts."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def seal_tokens(self, tokens: Tokens, *, user_id: str, platform: str, account_id: UUID) -> str:
        """The tokens of an account."""
        return self.vault.seal(msgspec.json.encode(tokens), _tokens_context(user_id, platform, account_id))

    def open_tokens(self, stored: StoredAccount) -> Tokens:
        """The tokens of a stored account; `VaultError` if they cannot be opened."""
        return _decode(self.vault.open(stored.sealed, _context_of(stored)), Tokens)

    def reseal(self, stored: StoredAccount) -> str | None:
        """The same tokens, sealed with the newest key; None if they are already."""
        if self.vault.key_of(stored.sealed) == self.vault.newest_key:
            return None
        context = _context_of(stored)
        return self.vault.seal(self.vault.open(stored.sealed, context), context)

    def seal_authorization(self, secrets: AuthorizationSecrets, *, user_id: str, platform: str, pending: UUID) -> str:
        """What has to be kept until the user comes back from the platform."""
        return self.vault.seal(msgspec.json.encode(secrets), _pending_context(user_id, platform, pending))

    def open_authorization(self, pending: PendingConnection) -> AuthorizationSecrets:
        """What was kept."""
        return _decode(self.vault.open(pending.sealed, _context_of_pending(pending)), AuthorizationSecrets)

    def seal_choice(self, choice: list[Connection], *, user_id: str, platform: str, pending: UUID) -> str:
        """The accounts among which the user has to choose, with their tokens."""
        return self.vault.seal(msgspec.json.encode(choice), _pending_context(user_id, platform, pending))

    def open_choice(self, pending: PendingConnection) -> list[Connection]:
        """The accounts to choose from."""
        return _decode(self.vault.open(pending.sealed, _context_of_pending(pending)), list[Connection])


def _tokens_context(user_id: str, platform: str, account_id: UUID) -> SealContext:
    return SealContext(owner=user_id, platform=platform, field=f"accounts.sealed/{account_id}")


def _context_of(stored: StoredAccount) -> SealContext:
    account = stored.account
    return _tokens_context(account.user_id, account.platform, account.id)


def _pending_context(user_id: str, platform: str, pending: UUID) -> SealContext:
    return SealContext(owner=user_id, platform=platform, field=f"oauth_states.sealed/{pending}")


def _context_of_pending(pending: PendingConnection) -> SealContext:
    return _pending_context(pending.user_id, pending.platform, pending.id)


def _decode(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError:  # its message could quote the value
        raise VaultError("a stored token has an unknown form: a newer version wrote it") from None
