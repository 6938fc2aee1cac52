"""The code uses the terms of docs/glossary.md: no term that the glossary retires comes back as an identifier.

The table of retired terms says for each whether it is a whole identifier (a name) or a part of one (a word), and
whether the rule applies everywhere or only to what we ship (src). Comments and strings are not identifiers: table
columns, log events and JSON fields may still use an old word, because users of the service see them.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, rows

GLOSSARY = DOCS / "glossary.md"
SHIPPED = ("src", "console/src")
FOLDERS = (*SHIPPED, "bench", "tests")
SUFFIXES = (".py", ".ts", ".tsx")
KINDS = ("name", "word")
SCOPES = {"everywhere": FOLDERS, "src": SHIPPED}
# in TypeScript: comments, strings and the text between placeholders of a template are no identifiers
TEXT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
# the prose of a page, between two tags or placeholders
PROSE = re.compile(r"(?<=[>}])[^<>{}();=]*(?=[<{])")
IDENTIFIER = re.compile(r"(?<![\w$])[A-Za-z_$][\w$]*")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A row of the table of retired terms."""

    text: str
    kind: str
    scope: str
    replacement: str

    def matches(self, identifier: str) -> bool:
        """Whether the identifier is this name or contains this word."""
        return identifier == self.text if self.kind == "name" else self.text in title_words(identifier)


def retired_terms() -> list[Term]:
    """The rows of the table."""
    return [
        Term(text=text, kind=kind, scope=scope, replacement=replacement)
        for text, kind, scope, replacement in rows(GLOSSARY, under="## Retired terms")
    ]


def title_words(identifier: str) -> set[str]:
    """The words of an identifier in lower case: `_readHTTPBody` and `READ_http_body` are read, http, body."""
    return {part.lower() for part in PART.findall(identifier)}


def identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """The identifiers of a source file, each with its line."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.start[0], token.string
        return
    for pattern in (TEXT, PROSE):
        text = pattern.sub(lambda found: " " + "\n" * found[0].count("\n"), text)
    for line, content in enumerate(text.splitlines(), 1):
        for found in IDENTIFIER.finditer(content):
            yield line, found[0]


def sources(folder: str) -> list[Path]:
    """The source files below a folder, without what is installed or generated there."""
    files = (path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in files if "node_modules" not in path.parts and not path.name.endswith(".d.ts"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_retired_term_is_an_identifier(folder: str) -> None:
    terms = [term for term in retired_terms() if folder in SCOPES[term.scope]]
    places: dict[str, list[str]] = {}
    for path in sources(folder):
        for line, identifier in identifiers(path):
            places.setdefault(identifier, []).append(f"{path.relative_to(ROOT)}:{line}")
    found = [
        f"{place}: {identifier}: {term.text} is retired, use: {term.replacement}"
        for identifier in places
        for term in terms
        if term.matches(identifier)
        for place in places[identifier]
    ]
    assert not found, f"{len(found)} retired terms:\n" + "\n".join(found[:50])


def test_the_table_of_retired_terms_is_well_formed() -> None:
    terms = retired_terms()
    assert len(terms) > 40
    for term in terms:
        assert term.kind in KINDS, term
        assert term.scope in SCOPES, term
        assert term.replacement, term
        assert IDENTIFIER.fullmatch(term.text), term
        assert term.kind == "name" or term.text.islower(), f"{term}: a word is compared in lower case"
    assert len({(term.text, term.kind) for term in terms}) == len(terms), "a term is retired twice"


def test_a_term_is_not_both_current_and_retired() -> None:
    current = {name for name, *_ in rows(GLOSSARY) if _ and len(_) == 1}
    assert "unit of work" in current
    assert not current & {term.text for term in retired_terms()}


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("wish", {"wish"}),
        ("_made_wish", {"made", "wish"}),
        ("MakeWish2", {"make", "wish", "2"}),
        ("readHTTPBody", {"read", "http", "body"}),
        ("MAX_WISHES", {"max", "wishes"}),
        ("wishful", {"wishful"}),
    ],
)
def test_identifiers_are_split_into_words(identifier: str, words: set[str]) -> None:
    assert title_words(identifier) == words


def test_identifiers_of_both_languages_are_found(tmp_path: Path) -> None:
    python, typescript = tmp_path / "a.py", tmp_path / "a.tsx"
    python.write_text('x = "told"  # told\ntold = f(heard=1)\n', "utf-8")
    typescript.write_text("/* told\n */ const said = `told`; // told\n<p>\ntold <b>{heard('told')}</b>", "utf-8")
    assert list(identifiers(python)) == [(1, "x"), (2, "told"), (2, "f"), (2, "heard")]
    assert list(identifiers(typescript)) == [(2, "const"), (2, "said"), (3, "p"), (4, "b"), (4, "heard"), (4, "b")]
