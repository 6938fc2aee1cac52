"""Handlers of analytics: shares over time, and the most shared content items."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET

from sharetally.domain.calendar import find_zone, parse_interval
from sharetally.domain.content import stored_label
from sharetally.domain.errors import InvalidRequest
from sharetally.flow.analytics import Analytics, Filter, Series, TimeRange
from sharetally.flow.urls import UrlPolicy
from sharetally.ports import GroupBy, TopContent
from sharetally.web.api.analytics.schemas import (
    PointBody,
    SeriesBody,
    SharesOverTime,
    SharesQuery,
    SumBody,
    TimeRangeQuery,
    Top,
    TopItem,
    TopQuery,
)
from sharetally.web.decoding import to_utc
from sharetally.web.endpoint import NoBody, NoPath, Request
from sharetally.web.parameters import validated_content
from sharetally.web.responses import Response, json_response

_GROUPS = {"channel": GroupBy.CHANNEL, "evidence": GroupBy.EVIDENCE, "contentType": GroupBy.CONTENT_TYPE}
_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareAnalytics:
    """The analytics, and where content items are."""

    analytics: Analytics
    urls: UrlPolicy


async def shares(analytics: ShareAnalytics, request: Request[NoPath, SharesQuery, NoBody]) -> Response:
    """Shares made and withdrawn, by bucket."""
    query = request.query
    time_range, group = _time_range(query), query.groupBy or None
    criteria = _filter(query, query.contentId or None)
    found = await analytics.analytics.over_time(
        criteria, time_range, bucket=query.bucket, by=_GROUPS[group] if group else None
    )
    starts = [each.astimezone(time_range.zone) for each in found.starts]
    body = SharesOverTime(
        start=found.start.astimezone(time_range.zone),
        end=found.end.astimezone(time_range.zone),
        bucket=query.bucket,
        timezone=query.timezone,
        groupBy=group,
        total=SumBody(made=found.total.made, withdrawn=found.total.withdrawn, shares=found.total.shares),
        series=[_series_body(each, starts) for each in found.series],
    )
    return json_response(200, body, _NO_STORE)


def _time_range(query: TimeRangeQuery) -> TimeRange:
    zone = find_zone(query.timezone)
    if zone is None:
        raise InvalidRequest(("timezone", "must be an IANA time zone, like Europe/Berlin"))
    interval = parse_interval(query.interval) if query.interval is not UNSET else None
    return TimeRange(zone=zone, start=to_utc(query.start, "from"), end=to_utc(query.end, "to"), interval=interval)


def _filter(query: TimeRangeQuery, content_id: str | None = None) -> Filter:
    kind = query.contentType or None
    if content_id is not None and kind is None:
        raise InvalidRequest(("contentType", "is required together with contentId"))
    if content_id is not None and kind is not None:
        validated_content(kind, content_id)
    channel = stored_label(query.channel) if query.channel is not UNSET else None
    return Filter(content_type=kind, content_id=content_id, channel=channel)


def _series_body(series: Series, starts: list[datetime]) -> SeriesBody:
    points = [
        PointBody(at=at, made=each.made, withdrawn=each.withdrawn, shares=each.shares)
        for at, each in zip(starts, series.points, strict=True)
    ]
    totals = series.total
    return SeriesBody(
        name=series.name, made=totals.made, withdrawn=totals.withdrawn, shares=totals.shares, points=points
    )


async def top(analytics: ShareAnalytics, request: Request[NoPath, TopQuery, NoBody]) -> Response:
    """The most shared first."""
    query = request.query
    found = await analytics.analytics.top(_filter(query), _time_range(query), limit=query.limit)
    return json_response(200, Top(items=[_top_item(each, analytics.urls) for each in found]), _NO_STORE)


def _top_item(top: TopContent, urls: UrlPolicy) -> TopItem:
    details = top.details
    return TopItem(
        contentType=details.content.type,
        contentId=details.content.id,
        title=details.title,
        image=details.image,
        url=details.url or urls.content_url(details.content),
        made=top.made,
        withdrawn=top.withdrawn,
        shares=top.made - top.withdrawn,
        shareCount=details.shares,
    )
