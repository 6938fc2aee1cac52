"""How Mastodon counts a text (docs.joinmastodon.org, posting): by the characters that a person sees.

An address counts 23, whatever its length, and a mention without its server. Each server may set both numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from sharetally.domain.text_rule import TextRule, TextUnit

_GRAPHEME = regex.compile(r"\X")
_URL = regex.compile(r"(?<![\w@])https?://[^\s<>\"]+")
_MENTION = regex.compile(r"(?<![\w/=])(@\w+(?:[\w.-]*\w)?)@[\w.-]*\w")
_TRAILING = ".,:;!?'\")]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long a text may be, and how much of that each address takes."""

    characters: int = 500
    url: int = 23


DEFAULT = Limits()
RULE = TextRule(unit=TextUnit.GRAPHEMES, limit=DEFAULT.characters, url_length=DEFAULT.url)


def counted_length(text: str, url: str, limits: Limits = DEFAULT) -> int:
    """The length in Mastodon's measure."""
    placeholder = "x" * limits.url
    before, found, after = text.partition(url)
    text = _shorten(before, placeholder) + (placeholder if found else "") + _shorten(after, placeholder)
    return len(_GRAPHEME.findall(text))


def text_fault(text: str, url: str, limits: Limits = DEFAULT) -> str | None:
    """Why a server with these limits would refuse this text, or None."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text has half a character (an unpaired surrogate), which Mastodon does not accept."
    length = counted_length(text, url, limits)
    if length <= limits.characters:
        return None
    return f"The text has {length} characters as Mastodon counts them; the limit is {limits.characters}."


def _shorten(text: str, placeholder: str) -> str:
    def shortened(found: regex.Match[str]) -> str:
        return placeholder + found[0][len(found[0].rstrip(_TRAILING)) :]

    return _MENTION.sub(r"\1", _URL.sub(shortened, text))
