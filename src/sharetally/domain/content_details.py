"""What people are shown of a content beside its count, and the words that it is found by."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import NamedTuple

from sharetally.domain.content import ContentRef

MAX_TITLE = 300  # characters
MAX_WORD = 64
MAX_WORDS = 100  # of one title
_WORD = re.compile(r"[^\W_]+")
# Scripts that put no space between words: there, each character may begin one.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


class ContentDetails(NamedTuple):
    """Title, picture and address of a content, each None where nobody told; `updated_at` None where nobody ever did.

    `shares` is its count.
    """

    content: ContentRef
    title: str | None = None
    image: str | None = None
    url: str | None = None
    shares: int = 0
    updated_at: datetime | None = None


def title_words(title: str) -> set[str]:
    """The words that a title is found by, each or any of its beginnings."""
    found: list[str] = []
    for word in query_words(title):
        unspaced = _UNSPACED.search(word)
        found += [word[place:][:MAX_WORD] for place in range(len(word))] if unspaced else [word]
    return set(found[:MAX_WORDS])


def query_words(query: str) -> list[str]:
    """The words that somebody asks for, as they are kept: of any case and width."""
    return [word[:MAX_WORD] for word in _WORD.findall(unicodedata.normalize("NFKC", query).casefold())]
