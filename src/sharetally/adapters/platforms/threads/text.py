"""How Threads counts a text: a character counts 1, an emoji as many as it has bytes in UTF-8.

Source: developers.facebook.com, Threads API, create posts. Which characters are emoji is not said there: whatever X
takes for one, and every other character of the blocks in which emoji are.
"""

from __future__ import annotations

from sharetally.adapters.platforms._emoji import emoji_pattern
from sharetally.domain.text_rule import TextRule, TextUnit

LIMIT = 500
RULE = TextRule(unit=TextUnit.EMOJI_BYTES, limit=LIMIT)
FIRST_EMOJI_BLOCK = 0x1F000  # Mahjong tiles; newer emoji than those that the pattern knows are behind it
JOINERS = "\u200d\ufe0f\u20e3"


def counted_length(text: str) -> int:
    """The length in the measure of Threads."""
    emoji = [found[0] for found in emoji_pattern().finditer(text)]
    rest = emoji_pattern().sub("", text)
    emoji += [character for character in rest if ord(character) >= FIRST_EMOJI_BLOCK or character in JOINERS]
    characters = sum(map(len, emoji))
    return len(text) - characters + sum(len(each.encode("utf-8", "surrogatepass")) for each in emoji)


def text_fault(text: str, url: str) -> str | None:
    """Why Threads would refuse this text, or None."""
    length = counted_length(text)
    return f"The text has {length} characters as Threads counts them; the limit is {LIMIT}." if length > LIMIT else None
