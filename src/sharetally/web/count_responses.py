"""A count as it is answered, kept to be answered again: a version of a content's count never changes."""

from __future__ import annotations

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.counts import Breakdown, CountBody

CAPACITY = 4096


class CountResponseCache:
    """The answers of the contents that were asked for, bounded: all are forgotten when there are too many."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._cached: dict[ContentRef, tuple[int, Response]] = {}

    def response(self, count: Count) -> Response:
        """The answer that tells this count; its first header is the type, the others are about caching."""
        cached = self._cached.get(count.content)
        if cached is not None and cached[0] == count.version:
            return cached[1]
        caching = (("etag", f'"{count.version}"'), ("cache-control", "no-cache"))
        response = json_response(200, count_body(count), *caching)
        if len(self._cached) >= self._capacity:
            self._cached.clear()
        self._cached[count.content] = (count.version, response)
        return response


def count_body(count: Count) -> CountBody:
    """A count as callers see it."""
    return CountBody(
        contentType=count.content.type,
        contentId=count.content.id,
        shareCount=count.shares,
        breakdown=Breakdown(evidence=dict(count.evidence), channel=dict(count.channel), campaign=dict(count.campaign)),
        version=count.version,
        asOf=count.as_of,
    )
