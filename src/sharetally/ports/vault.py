"""The vault: encrypts secrets before they are stored, and decrypts them for the one call that uses them.

A sealed value names the key that it was sealed with. It is bound to where it belongs (`SealContext`): copied into the
row of another user, account or field, it can no longer be opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sharetally.domain.errors import SharetallyError


class VaultError(SharetallyError):
    """A sealed value cannot be opened: its key is missing, or the value was changed. The detail holds no secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenKey:
    """One key of TOKEN_KEYS: its id, which is no secret, and 32 bytes."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SealContext:
    """Where a sealed value belongs: whose it is, for which platform, and in which field of which row."""

    owner: str
    platform: str
    field: str


class Vault(Protocol):
    """Seals with the newest key, and opens with whichever key a value names."""

    @property
    def newest_key(self) -> str:
        """The id of the key that `seal` uses."""
        ...

    def seal(self, plain: bytes, context: SealContext) -> str:
        """Encrypt; the same value sealed twice gives two different texts."""
        ...

    def open(self, sealed: str, context: SealContext) -> bytes:
        """Decrypt; `VaultError` if the key is missing, the value was changed, or it belongs somewhere else."""
        ...

    def key_of(self, sealed: str) -> str:
        """The id of the key that this value was sealed with; `VaultError` if it is no sealed value."""
        ...
