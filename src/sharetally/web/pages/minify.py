"""Makes our own script smaller before it is served: no comments, no room, no needless parentheses.

A name that the script declares, and that is nowhere a property, gets a letter, the same one everywhere. Other names
stay. Made for scripts that are written for it: every statement ends with a semicolon or a brace. Strings and regular
expressions are left alone; a text in backquotes is style, whose room is as needless. The same text in gives the
same bytes out, on every machine: their hash is published.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from string import ascii_letters
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<literal> "(?:\\.|[^"\\\n])*" | (?<=[(,=:]) /(?![/*])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]* )
  | (?P<style> `[^`]*` )
  | (?P<whitespace> \s+ )
  | (?P<word> [\w$]+ )
  | (?P<character> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[\w$]")
_SINGLE_PARAMETER = re.compile(r"(?<![\w$])\(([\w$]+)\)=>")
_NEW_WITHOUT_ARGUMENTS = re.compile(r"(?<![\w$.])(new [\w$]+)\(\)(?![.\[(`?])")
_DECLARED_NAME = re.compile(r"(?<!export )\b(?:const|let|class|function) ([\w$]+)")
_PARAMETERS = re.compile(r"(?<!if )(?<!for )(?<!while )\(([\w$, ]+)\) (?:=>|\{)")


class _Token(NamedTuple):
    """A piece of the script, and whether there was room before it."""

    kind: str | None
    text: str
    whitespace: bool


def minify(script: str) -> str:
    """The same program in fewer bytes."""
    tokens = _tokens(script)
    parameters = (name for names in _PARAMETERS.findall(script) for name in names.split(", "))
    short = _short_names(tokens, {*_DECLARED_NAME.findall(script), *parameters})
    output: list[str] = []
    for token in tokens:
        text = short.get(token.text, token.text) if token.kind == "word" else token.text
        if token.whitespace and output and _WORD.match(output[-1][-1]) and _WORD.match(text[0]):
            output.append(" ")
        output.append(
            re.sub(r"\s*([{};,`]|:\s|\s)\s*", lambda found: found[1].strip() or " ", text)
            if token.kind == "style" and "\n" in text
            else text
        )
    return _NEW_WITHOUT_ARGUMENTS.sub(r"\1", _SINGLE_PARAMETER.sub(r"\1=>", "".join(output))).replace(";}", "}") + "\n"


def _tokens(script: str) -> list[_Token]:
    found, whitespace = list[_Token](), False
    for token in _TOKEN.finditer(script):
        if token.lastgroup in ("comment", "whitespace"):
            whitespace = True
        else:
            found.append(_Token(token.lastgroup, token.group(), whitespace))
            whitespace = False
    return found


def _short_names(tokens: Sequence[_Token], names: set[str]) -> dict[str, str]:
    """A letter for each of these names that is nowhere a property's too, nor in a text; those that save most first."""
    uses = Counter(token.text for token in tokens if token.kind == "word")
    texts = "".join(token.text for token in tokens if token.kind == "style")
    letters = (letter for letter in ascii_letters if letter not in uses)
    safe = [name for name in names - _properties(tokens) if len(name) > 1 and name not in texts and name in uses]
    return dict(zip(sorted(safe, key=lambda name: (-uses[name] * (len(name) - 1), name)), letters, strict=False))


def _properties(tokens: Sequence[_Token]) -> set[str]:
    """The names that are a property's somewhere, or may be one in braces."""
    found, open_brackets = set[str](), [""]
    texts = ["", *(token.text for token in tokens), ""]
    for index, (before, text, after) in enumerate(zip(texts, texts[1:], texts[2:], strict=False)):
        spread = texts[max(0, index - 2) : index + 1] == ["."] * 3
        in_braces = open_brackets[-1] == "{" and before in "{," and after in ",}="
        if (before in (".", "?.") and not spread) or after == ":" or in_braces:
            found.add(text)
        if text in ("(", "[", "{"):
            open_brackets.append(text)
        elif text in (")", "]", "}"):
            open_brackets.pop()
    return found
