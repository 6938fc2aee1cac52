"""How a platform counts a text, so that a person sees what is left while writing.

A counter that follows this rule is a help; whether a text is too long is decided by the platform's publisher.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TextUnit(StrEnum):
    """What counts as one."""

    CHARACTERS = "characters"  # code points
    UTF16 = "utf16"  # the units of UTF-16, of which an emoji has two and more
    GRAPHEMES = "graphemes"  # what a person sees as one character (UAX 29)
    WEIGHTED = "weighted"  # X: letters of most alphabets count 1, everything else 2
    EMOJI_BYTES = "emoji-bytes"  # Threads: code points, but an emoji as many as it has bytes in UTF-8


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRule:
    """The longest text in this unit; `url_length` is what any address takes, None if as much as it is long."""

    unit: TextUnit
    limit: int
    url_length: int | None = None
