"""What is shown of a content item in addition to its count, and the words by which it can be found."""

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
# Scripts that do not put spaces between words: there, any character can begin a word.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


class ContentDetails(NamedTuple):
    """Title, picture and URL of a content item, each None if unknown; `shares` is its count.

    `updated_at` is when these details were last changed, or None if nobody ever set any.
    """

    content: ContentRef
    title: str | None = None
    image: str | None = None
    url: str | None = None
    shares: int = 0
    updated_at: datetime | None = None


def title_words(title: str) -> set[str]:
    """The words under which a title is stored; a search finds it by any of them or by the beginning of one."""
    words: list[str] = []
    for word in query_words(title):
        unspaced = _UNSPACED.search(word)
        words += [word[start:][:MAX_WORD] for start in range(len(word))] if unspaced else [word]
    return set(words[:MAX_WORDS])


def query_words(query: str) -> list[str]:
    """The words of a search, normalised as they are stored: case and width do not matter."""
    return [word[:MAX_WORD] for word in _WORD.findall(unicodedata.normalize("NFKC", query).casefold())]
