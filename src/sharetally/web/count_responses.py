"""The body of a count, and a cache of encoded responses: the count of one version never changes."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.web.fields import ResponseModel, ShareCount, UtcDateTime
from sharetally.web.responses import Response, json_response

CAPACITY = 4096
Cells = dict[str, Annotated[int, Meta(ge=1)]]


class Breakdown(ResponseModel, frozen=True):
    """Cells that are not zero; of channels and campaigns the 50 largest and `other`."""

    evidence: Cells
    channel: Cells
    campaign: Cells


class CountBody(ResponseModel, frozen=True):
    """A content's count; `version` rises with every change, `asOf` is the time of the last one."""

    contentType: str
    contentId: str
    shareCount: ShareCount
    breakdown: Breakdown
    version: Annotated[int, Meta(ge=0)]
    asOf: UtcDateTime | None


class CountResponseCache:
    """The encoded response of each content item that was requested; when there are too many, all are forgotten."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._cached: dict[ContentRef, tuple[int, Response]] = {}

    def response(self, count: Count) -> Response:
        """The response with this count; its first header is the media type, the others are about caching."""
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
