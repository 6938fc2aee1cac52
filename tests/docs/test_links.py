"""Links lead somewhere, and pages do not reveal where they were written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchor, headings, pages, prose

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PRIVATE = re.compile(
    r"/(?:root|home|Users|work|workspace|tmp|private|mnt)/"
    r"|pypi\.|pythonhosted|npmjs|docker\.io|ghcr\.io|quay\.io|crates\.io|rubygems|proxy\.golang|conda\.",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(prose(page)) if "://" not in link and not _leads(page, link)]
    assert not broken


def _leads(page: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not fragment or fragment in [anchor(heading) for heading in headings(target)]


@pytest.mark.parametrize("page", [*pages(), *DOCS.rglob("*.svg")], ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_mentions_private_paths(page: Path) -> None:
    assert not PRIVATE.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_is_in_the_table_of_contents(page: Path) -> None:
    contents = DOCS / "adr" / "README.md" if page.parent.name == "adr" else DOCS / "README.md"
    if page in (contents, DOCS / "README.md"):
        return
    assert f"({page.relative_to(contents.parent)})" in contents.read_text("utf-8")
