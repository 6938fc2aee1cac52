"""A count as it is answered, kept to be answered again: a version of a content's count never changes."""

from __future__ import annotations

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.web.answers import Answer, json_answer
from sharetally.web.schemas.counts import Breakdown, CountBody

CAPACITY = 4096


class CountAnswers:
    """The answers of the contents that were asked for, bounded: all are forgotten when there are too many."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: dict[ContentRef, tuple[int, Answer]] = {}

    def answer(self, found: Count) -> Answer:
        """The answer that tells this count; its first header is the type, the others are about caching."""
        kept = self._kept.get(found.content)
        if kept is not None and kept[0] == found.version:
            return kept[1]
        caching = (("etag", f'"{found.version}"'), ("cache-control", "no-cache"))
        answer = json_answer(200, count_body(found), *caching)
        if len(self._kept) >= self._capacity:
            self._kept.clear()
        self._kept[found.content] = (found.version, answer)
        return answer


def count_body(found: Count) -> CountBody:
    """A count as callers see it."""
    return CountBody(
        contentType=found.content.type,
        contentId=found.content.id,
        shareCount=found.shares,
        breakdown=Breakdown(evidence=dict(found.evidence), channel=dict(found.channel), campaign=dict(found.campaign)),
        version=found.version,
        asOf=found.as_of,
    )
