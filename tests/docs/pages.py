"""Pages as tests see them: tables, fenced blocks, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
_FENCE = re.compile(r"^```(.*)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block; `info` is the text after the opening fence, `line` its line."""

    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page, README and changelog included."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The page's fenced blocks, in order."""
    found: list[Block] = []
    begun: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and begun is None:
            begun = (number, fence[1].strip(), [])
        elif fence and begun is not None:
            found.append(Block(page=page, line=begun[0], info=begun[1], text="\n".join(begun[2])))
            begun = None
        elif begun is not None:
            begun[2].append(line)
    assert begun is None, f"{page}: a block that begins in line {begun and begun[0]} does not end"
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def rows(page: Path, *, under: str | None = None) -> Iterator[list[str]]:
    """The cells of every table's rows, heads and rules left out; with `under`, of that section alone."""
    text = prose(page) if under is None else section(page, under)
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        is_head = re.match(r"^\|[\s:|-]+\|$", following)
        if line.startswith("|") and not is_head and not re.match(r"^\|[\s:|-]+\|$", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def section(page: Path, heading: str) -> str:
    """The text under a heading, up to the next heading of the same or a higher level."""
    level = heading.split(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", prose(page), re.DOTALL | re.MULTILINE
    )
    assert found, f"{page}: no heading {heading!r}"
    return found[1]


def headings(page: Path) -> list[str]:
    """The headings' texts."""
    return re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)


def codes(cell: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def anchor(heading: str) -> str:
    """How a heading is linked to: lower case, spaces as hyphens, signs left out."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
