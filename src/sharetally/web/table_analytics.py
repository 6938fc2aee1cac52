"""Endpoints for whoever looks at all contents together: analytics, and contents with their titles."""

from __future__ import annotations

from functools import partial

from sharetally.web.endpoint import Access, Endpoint
from sharetally.web.endpoints import analytics
from sharetally.web.schemas import analytics as schemas_analytics

_analytics = partial(Endpoint, tag="Analytics", access=Access.ANALYTICS)
_content = partial(Endpoint, tag="Contents")

ANALYTICS_ENDPOINTS = (
    _analytics(
        method="GET",
        path="/analytics/shares",
        handler=analytics.shares,
        summary="Shares over time, in a time zone's quarters, hours or days",
        responses={200: schemas_analytics.SharesOverTime},
        query=schemas_analytics.SharesQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _analytics(
        method="GET",
        path="/analytics/top",
        handler=analytics.top,
        summary="The most shared contents of a time",
        responses={200: schemas_analytics.Top},
        query=schemas_analytics.TopQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _content(
        method="GET",
        path="/content",
        handler=analytics.list_contents,
        summary="Find contents by id or title",
        access=Access.CONTENT,
        responses={200: schemas_analytics.Contents},
        query=schemas_analytics.ContentsQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _content(
        method="GET",
        path="/content/{contentType}/{contentId}",
        handler=analytics.read_content,
        summary="A content with its title, picture, address and count",
        access=Access.CONTENT,
        responses={200: schemas_analytics.ContentItem},
        problems=("invalid-request", "unavailable"),
    ),
    _content(
        method="PUT",
        path="/content/{contentType}/{contentId}",
        handler=analytics.describe_content,
        summary="Tell a content's title, picture and address",
        access=Access.ADMIN,
        responses={200: schemas_analytics.ContentItem},
        body=schemas_analytics.ContentBody,
        problems=("invalid-request", "too-large", "unavailable"),
    ),
)
