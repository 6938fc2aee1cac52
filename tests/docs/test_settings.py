"""Every setting is documented with its default and a valid example, and no others are."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sharetally.settings import Settings, load, masked_settings
from tests.docs.pages import REFERENCE, blocks, codes, pages, rows

KNOWN = {setting.name.upper(): setting for setting in fields(Settings)}
# settings whose default depends on where the service runs and on other settings
DEPENDS = {"DATA_DIR", "DATABASE_URL", "LINK_HOSTS", "JWT_SECRET", "TOKEN_KEYS"}


def _told() -> dict[str, list[str]]:
    return {
        codes(row[0])[0]: row
        for row in rows(REFERENCE / "settings.md")
        if len(row) == 4 and codes(row[0]) and codes(row[0])[0].isupper()
    }


def test_documented_settings_match_the_code() -> None:
    assert sorted(_told()) == sorted(KNOWN)


def test_exactly_the_secrets_can_be_read_from_a_file() -> None:
    (told,) = [row[1] for row in rows(REFERENCE / "settings.md") if row[0] == "a file per secret"]
    secret = {name for name, setting in KNOWN.items() if setting.metadata["secret"]}
    assert set(codes(told)) == {"SHARETALLY_<NAME>_FILE", *secret}


@pytest.mark.parametrize("name", sorted(set(KNOWN) - DEPENDS))
def test_its_default(name: str, tmp_path: Path) -> None:
    shown = masked_settings(load({}, cwd=tmp_path))[f"SHARETALLY_{name}"]
    cell = _told()[name][1]
    assert (codes(cell) or [{"not set": "not set", "empty": ""}[cell]])[0] == shown


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_its_example_is_valid(name: str) -> None:
    (example,) = codes(_told()[name][3])
    KNOWN[name].metadata["parse"](example)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_pages_mention_only_existing_settings(page: Path) -> None:
    named = set(re.findall(r"SHARETALLY_([A-Z_]*[A-Z])\b", page.read_text("utf-8")))
    named |= {name for block in blocks(page) for name in re.findall(r"^SHARETALLY_([A-Z_]+)=", block.text, re.M)}
    plain = {name.removesuffix("_FILE") for name in named}
    assert plain <= {*KNOWN, "CONFIG", "KEY", "PUBLIC_URI", *_tests_own(plain)}


def _tests_own(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("TEST_") or name == "FAILPOINT"}
