"""The routes of analytics."""

from __future__ import annotations

from sharetally.web.api.analytics import handlers
from sharetally.web.api.analytics.handlers import ShareAnalytics
from sharetally.web.api.analytics.schemas import SharesOverTime, SharesQuery, Top, TopQuery
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    Endpoint,
    NoBody,
    NoPath,
    Request,
)

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/analytics/shares",
        handler=handlers.shares,
        service=ShareAnalytics,
        request=Request[NoPath, SharesQuery, NoBody],
        summary="Shares over time, in quarter hours, hours or days of a time zone",
        tag="Analytics",
        access=Access.ANY_TOKEN,
        scopes=("analytics",),
        responses={200: SharesOverTime},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/analytics/top",
        handler=handlers.top,
        service=ShareAnalytics,
        request=Request[NoPath, TopQuery, NoBody],
        summary="The most shared content items of a time range",
        tag="Analytics",
        access=Access.ANY_TOKEN,
        scopes=("analytics",),
        responses={200: Top},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
)
