"""Endpoints for whoever looks at all contents together: analytics, and contents with their titles."""

from __future__ import annotations

from functools import partial

from sharetally.web.endpoint import Access, Endpoint
from sharetally.web.endpoints import insight
from sharetally.web.schemas import insight as schemas_insight

_analytics = partial(Endpoint, tag="Analytics", access=Access.ANALYTICS)
_content = partial(Endpoint, tag="Contents")

INSIGHT = (
    _analytics(
        method="GET",
        path="/analytics/shares",
        handler=insight.shares,
        summary="Shares over time, in a time zone's quarters, hours or days",
        answers={200: schemas_insight.SharesOverTime},
        query=schemas_insight.SharesQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _analytics(
        method="GET",
        path="/analytics/top",
        handler=insight.top,
        summary="The most shared contents of a time",
        answers={200: schemas_insight.Top},
        query=schemas_insight.TopQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _content(
        method="GET",
        path="/content",
        handler=insight.listing,
        summary="Find contents by id or title",
        access=Access.CONTENT,
        answers={200: schemas_insight.Contents},
        query=schemas_insight.ContentsQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _content(
        method="GET",
        path="/content/{contentType}/{contentId}",
        handler=insight.read,
        summary="A content with its title, picture, address and count",
        access=Access.CONTENT,
        answers={200: schemas_insight.ContentItem},
        problems=("invalid-request", "unavailable"),
    ),
    _content(
        method="PUT",
        path="/content/{contentType}/{contentId}",
        handler=insight.describe,
        summary="Tell a content's title, picture and address",
        access=Access.ADMIN,
        answers={200: schemas_insight.ContentItem},
        body=schemas_insight.ContentBody,
        problems=("invalid-request", "too-large", "unavailable"),
    ),
)
