"""The vault: what it seals can be opened in one place only, and no error shows what was sealed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest

from sharetally.adapters.vault import AesGcmVault
from sharetally.ports import SealContext, TokenKey, VaultError

PLAIN = b"hush-access-token"
PLACE = SealContext(owner="anna", platform="bluesky", field="accounts.sealed/1")
OLD, NEW = TokenKey(id="old", key=b"o" * 32), TokenKey(id="new", key=b"n" * 32)


def vault(*keys: TokenKey) -> AesGcmVault:
    return AesGcmVault(lambda: keys)


def refused(found: AesGcmVault, sealed: str, place: SealContext = PLACE) -> str:
    with pytest.raises(VaultError) as caught:
        found.open(sealed, place)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "hush" not in shown
    assert sealed not in shown
    return caught.value.detail


def test_what_is_sealed_can_be_opened() -> None:
    found = vault(NEW, OLD)
    sealed = found.seal(PLAIN, PLACE)
    assert found.open(sealed, PLACE) == PLAIN
    assert found.open(found.seal(b"", PLACE), PLACE) == b""
    assert found.key_of(sealed) == found.newest_key == "new"
    assert PLAIN not in sealed.encode()


def test_the_same_value_is_never_sealed_the_same_way() -> None:
    found = vault(NEW)
    assert len({found.seal(PLAIN, PLACE) for _ in range(1000)}) == 1000


def test_an_older_key_still_opens() -> None:
    sealed = vault(OLD).seal(PLAIN, PLACE)
    assert vault(NEW, OLD).open(sealed, PLACE) == PLAIN
    assert "'old', which is not in TOKEN_KEYS" in refused(vault(NEW), sealed)


def test_another_key_with_the_same_id_does_not() -> None:
    sealed = vault(OLD).seal(PLAIN, PLACE)
    assert "cannot be decrypted" in refused(vault(replace(NEW, id="old")), sealed)


@pytest.mark.parametrize("change", [{"owner": "carla"}, {"platform": "x"}, {"field": "accounts.sealed/2"}])
def test_it_cannot_be_opened_anywhere_else(change: dict[str, str]) -> None:
    found = vault(NEW)
    refused(found, found.seal(PLAIN, PLACE), replace(PLACE, **change))


def test_its_parts_cannot_run_into_each_other() -> None:
    found = vault(NEW)
    sealed = found.seal(PLAIN, SealContext(owner='a", "b', platform="c", field="d"))
    refused(found, sealed, SealContext(owner="a", platform="b", field='c", "d'))


def test_every_changed_bit_is_noticed() -> None:
    found = vault(NEW)
    version, key_id, encoded = found.seal(PLAIN, PLACE).split(".")
    raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        refused(found, f"{version}.{key_id}.{urlsafe_b64encode(changed).decode()}")
    refused(vault(NEW, replace(NEW, id="twin")), f"{version}.twin.{encoded}")


@pytest.mark.parametrize("text", ["", "plain", "v1.new", "v1.new.", "v1.new.!", "v2.new.AAAAAAAAAAAAAAAAAAAAAAAA"])
def test_what_is_no_sealed_value_is_refused(text: str) -> None:
    with pytest.raises(VaultError, match="no value of the vault"):
        vault(NEW).open(text, PLACE)


def test_keys_are_read_with_the_first_value_and_never_shown() -> None:
    read = []

    def load() -> list[TokenKey]:
        read.append(1)
        return [NEW]

    found = AesGcmVault(load)
    assert not read
    found.open(found.seal(PLAIN, PLACE), PLACE)
    assert read == [1]
    assert "nnnn" not in repr(NEW)
