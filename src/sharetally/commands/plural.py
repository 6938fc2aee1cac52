"""Numbers with their noun, as the commands print them: `1 cell`, `2 cells`."""

from __future__ import annotations


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """The number and its noun; the plural ends in `s` unless it is given."""
    return f"{number} {noun if number == 1 else plural_noun or noun + 's'}"
