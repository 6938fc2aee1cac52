"""How LinkedIn takes a text: its own "little text" format, in which these characters have a meaning.

One of them that is not escaped cuts the text silently (learn.microsoft.com, little text format).
"""

from __future__ import annotations

import re

from sharetally.domain.text_rule import TextRule, TextUnit

LIMIT = 3_000  # of what readers see, in UTF-16 units: the stricter of two readings of the documentation
RULE = TextRule(unit=TextUnit.UTF16, limit=LIMIT)
_RESERVED = re.compile(r"[\\_|()\[\]{}@#*~<>]")


def escape(text: str) -> str:
    """The text in little text format; readers see it as it was."""
    return _RESERVED.sub(lambda found: "\\" + found[0], text)


def text_fault(text: str, url: str) -> str | None:
    """Why LinkedIn would refuse this text, or None."""
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return f"The text has {length} characters; LinkedIn's limit is {LIMIT}." if length > LIMIT else None
