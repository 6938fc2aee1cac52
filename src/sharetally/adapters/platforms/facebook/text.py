"""How Facebook takes a text: as it is, up to a length that it does not document but enforces."""

from __future__ import annotations

from sharetally.domain.text_rule import TextRule, TextUnit

LIMIT = 63_206
RULE = TextRule(unit=TextUnit.CHARACTERS, limit=LIMIT)


def text_fault(text: str, url: str) -> str | None:
    """Why Facebook would refuse this text, or None."""
    length = len(text)
    return f"The text has {length} characters; Facebook's limit is {LIMIT}." if length > LIMIT else None
