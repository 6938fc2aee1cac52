"""How X counts the characters of a post (docs.x.com, counting characters; the configuration v3 of twitter-text).

A text is counted in its composed form (NFC). Most letters of alphabets weigh 1, everything else (Chinese, Japanese,
Korean, symbols) 2; an emoji weighs 2 however many code points it has, and an address 23.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from sharetally.adapters.platforms._emoji import emoji_pattern
from sharetally.adapters.platforms.twitter.urls import find_urls
from sharetally.domain.text_rule import TextRule, TextUnit

LIMIT = 280
URL_WEIGHT = 23
RULE = TextRule(unit=TextUnit.WEIGHTED, limit=LIMIT, url_length=URL_WEIGHT)
HEAVY = 2  # an emoji, or a character outside these ranges
LIGHT = ((0, 4_351), (8_192, 8_205), (8_208, 8_223), (8_242, 8_247))
INVALID = "\ufffe\ufeff\uffff"
LONGEST = 2_500  # characters; a text beyond this is too long however it is weighed, unless it is nearly all address


def weighted_length(text: str) -> int:
    """The length in X's own measure."""
    text = unicodedata.normalize("NFC", text)
    atoms = {found.start(): (found.end(), HEAVY) for found in emoji_pattern().finditer(text)}
    if len(text) <= LONGEST:
        atoms |= {begin: (end, URL_WEIGHT) for begin, end in find_urls(text)}
    total = position = 0
    while position < len(text):
        end, weight = atoms.get(position) or (position + 1, _weight(text[position]))
        total += weight
        position = end
    return total


def text_fault(text: str, url: str) -> str | None:
    """Why X would refuse this text, or None."""
    if any(character in INVALID for character in text):
        return "X does not accept the characters U+FEFF, U+FFFE and U+FFFF; remove them from the text."
    length = weighted_length(text)
    return f"The text has {length} characters as X counts them; the limit is {LIMIT}." if length > LIMIT else None


def warnings(text: str) -> Sequence[str]:
    """What the user should know before posting this to X."""
    if "@" in text or "＠" in text:
        return ("X restricts posts by applications that mention somebody (@): it may refuse this post.",)
    return ()


@lru_cache(maxsize=1_024)
def _weight(character: str) -> int:
    return 1 if any(begin <= ord(character) <= end for begin, end in LIGHT) else HEAVY
