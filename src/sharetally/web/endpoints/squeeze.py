"""Makes our own script smaller before it is served: no comments, no room, no parentheses around one name. Names stay.

Made for one file that is written for it: every statement ends with a semicolon or a brace. Strings and regular
expressions are left alone; a text in backquotes is style, whose room is as needless. The same text in gives the
same bytes out, on every machine: their hash is published.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<kept> "(?:\\.|[^"\\\n])*" | (?<=[(,=:]) /(?![/*])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]* )
  | (?P<style> `[^`]*` )
  | (?P<room> \s+ )
  | (?P<word> [\w$]+ )
  | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[\w$]")
_ONE_NAME = re.compile(r"(?<![\w$])\(([\w$]+)\)=>")


def squeezed(script: str) -> str:
    """The same program in fewer bytes."""
    out: list[str] = []
    room = False
    for token in _TOKEN.finditer(script):
        kind, text = token.lastgroup, token.group()
        if kind in ("comment", "room"):
            room = True
            continue
        if room and out and _WORD.match(out[-1][-1]) and _WORD.match(text[0]):
            out.append(" ")
        out.append(_style(text) if kind == "style" and "\n" in text else text)
        room = False
    return _ONE_NAME.sub(r"\1=>", "".join(out)).replace(";}", "}") + "\n"


def _style(text: str) -> str:
    return re.sub(r"\s*([{};,`]|:\s|\s)\s*", lambda found: found[1].strip() or " ", text)
