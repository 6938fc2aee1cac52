"""AES-256-GCM with the keys of TOKEN_KEYS.

A sealed value is `v1.<key id>.<base64url of nonce and ciphertext>`. Every value has a nonce of its own, 96 random bits.
Version, key id, owner, platform and field are associated data, so that none of them can be exchanged. The keys are
read when they are needed for the first time: a service that connects no account generates none.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sharetally.ports.vault import SealContext, TokenKey, Vault, VaultError

VERSION = "v1"
NONCE_BYTES = 12


class AesGcmVault(Vault):
    """Seals with the first of the keys that `load_keys` returns, and opens with all of them."""

    def __init__(self, load_keys: Callable[[], Sequence[TokenKey]]) -> None:
        self._load_keys = load_keys
        self._loaded: tuple[str, dict[str, AESGCM]] | None = None

    @property
    def newest_key(self) -> str:
        """The id of the first key."""
        return self._keys()[0]

    def seal(self, plain: bytes, context: SealContext) -> str:
        """Encrypt with the first key and a fresh nonce."""
        newest, ciphers = self._keys()
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = ciphers[newest].encrypt(nonce, plain, _associated_data(newest, context))
        return f"{VERSION}.{newest}.{urlsafe_b64encode(nonce + ciphertext).decode().rstrip('=')}"

    def open(self, sealed: str, context: SealContext) -> bytes:
        """Decrypt with the key that the value names."""
        key_id, raw = _split(sealed)
        cipher = self._keys()[1].get(key_id)
        if cipher is None:
            raise VaultError(
                f"a stored token was encrypted with the key '{key_id}', which is not in TOKEN_KEYS: add that key again"
            )
        try:
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _associated_data(key_id, context))
        except InvalidTag:
            raise VaultError(
                f"a stored token cannot be decrypted with the key '{key_id}' of TOKEN_KEYS: that is not the key that "
                "encrypted it, or the stored value was changed or moved"
            ) from None

    def key_of(self, sealed: str) -> str:
        """The key id in the value."""
        return _split(sealed)[0]

    def _keys(self) -> tuple[str, dict[str, AESGCM]]:
        if self._loaded is None:
            keys = self._load_keys()
            self._loaded = keys[0].id, {each.id: AESGCM(each.key) for each in keys}
        return self._loaded


def _associated_data(key_id: str, context: SealContext) -> bytes:
    """A list in JSON, because its parts cannot run into each other."""
    return json.dumps([VERSION, key_id, context.owner, context.platform, context.field]).encode()


def _split(sealed: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(".")
    key_id, _, encoded = rest.partition(".")
    try:
        raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        raw = b""
    if version != VERSION or len(raw) <= NONCE_BYTES:
        raise VaultError("a stored token is no value of the vault: it was changed, or a newer version wrote it")
    return key_id, raw
