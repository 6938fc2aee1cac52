"""Shares over time, the most shared, and contents with their titles."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET

from sharetally.domain.calendar import find_zone, parse_interval
from sharetally.domain.content import ContentRef, stored_label, text_fault
from sharetally.domain.content_details import ContentDetails, query_words
from sharetally.domain.errors import InvalidRequest
from sharetally.flow.analytics import Filter, Series, TimeRange, Totals
from sharetally.flow.retry import retry_transaction
from sharetally.ports import GroupBy, TopContent
from sharetally.web.decoding import to_utc
from sharetally.web.endpoint import Request
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.analytics import (
    ContentBody,
    ContentItem,
    Contents,
    ContentsQuery,
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
from sharetally.web.services import Services, UrlPolicy, content_from_path, url_fault, validated_content

_GROUPS = {"channel": GroupBy.CHANNEL, "evidence": GroupBy.EVIDENCE, "contentType": GroupBy.CONTENT_TYPE}
_NO_STORE = ("cache-control", "no-store")


async def shares(services: Services, request: Request) -> Response:
    """Made and withdrawn by bucket."""
    query: SharesQuery = request.query
    time_range, group = _time_range(query), query.groupBy or None
    criteria = _filter(query, query.contentId or None)
    found = await services.analytics.over_time(
        criteria, time_range, bucket=query.bucket, by=_GROUPS[group] if group else None
    )
    starts = [each.astimezone(time_range.zone) for each in found.starts]
    body = SharesOverTime(
        start=found.start.astimezone(time_range.zone),
        end=found.end.astimezone(time_range.zone),
        bucket=query.bucket,
        timezone=query.timezone,
        groupBy=group,
        total=_totals_body(found.total),
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
        raise InvalidRequest(("contentType", "is needed beside contentId"))
    if content_id is not None and kind is not None:
        validated_content(kind, content_id)
    channel = stored_label(query.channel) if query.channel is not UNSET else None
    return Filter(content_type=kind, content_id=content_id, channel=channel)


def _totals_body(moves: Totals) -> SumBody:
    return SumBody(made=moves.made, withdrawn=moves.withdrawn, shares=moves.shares)


def _series_body(series: Series, starts: list[datetime]) -> SeriesBody:
    points = [
        PointBody(at=at, made=each.made, withdrawn=each.withdrawn, shares=each.shares)
        for at, each in zip(starts, series.points, strict=True)
    ]
    totals = series.total
    return SeriesBody(
        name=series.name, made=totals.made, withdrawn=totals.withdrawn, shares=totals.shares, points=points
    )


async def top(services: Services, request: Request) -> Response:
    """The most shared first."""
    query: TopQuery = request.query
    found = await services.analytics.top(_filter(query), _time_range(query), limit=query.limit)
    return json_response(200, Top(items=[_top_item(each, services.url_policy) for each in found]), _NO_STORE)


def _top_item(top: TopContent, url_policy: UrlPolicy) -> TopItem:
    details = top.details
    return TopItem(
        contentType=details.content.type,
        contentId=details.content.id,
        title=details.title,
        image=details.image,
        url=details.url or url_policy.content_url(details.content),
        made=top.made,
        withdrawn=top.withdrawn,
        shares=top.made - top.withdrawn,
        shareCount=details.shares,
    )


async def describe_content(services: Services, request: Request) -> Response:
    """Tell title, picture and address of a content, in place of what was told before."""
    content, body = content_from_path(request), request.body
    _check_details(body)
    details = ContentDetails(content=content, title=body.title, image=body.image, url=body.url)
    return json_response(
        200,
        _item_body(await retry_transaction(lambda: services.content_items.describe(details)), services.url_policy),
        _NO_STORE,
    )


def _check_details(body: ContentBody) -> None:
    faults = (
        ("title", _title_fault(body.title)),
        ("image", url_fault(body.image) if body.image is not None else None),
        ("url", url_fault(body.url) if body.url is not None else None),
    )
    if found := [(name, fault) for name, fault in faults if fault]:
        raise InvalidRequest(*found)


def _title_fault(title: str | None) -> str | None:
    if title is None:
        return None
    return text_fault(title) or (None if title.strip() else "must not be blank; send null for no title")


async def read_content(services: Services, request: Request) -> Response:
    """One content; of one that nobody knows there is no more than its name."""
    (found,) = await services.content_items.details([content_from_path(request)])
    return json_response(200, _item_body(found, services.url_policy), _NO_STORE)


async def list_contents(services: Services, request: Request) -> Response:
    """Contents by the begin of an id or the words of a title."""
    query: ContentsQuery = request.query
    wanted = query.query or ""
    found = await services.content_items.search(
        id_prefix=wanted,
        words=query_words(wanted),
        content_type=query.contentType or None,
        limit=query.pageSize + 1,
        after=_after(query.startingAfter or None),
    )
    items = [_item_body(each, services.url_policy) for each in found[: query.pageSize]]
    more = f"{items[-1].contentType}:{items[-1].contentId}" if len(found) > query.pageSize else None
    return json_response(200, Contents(items=items, next=more), _NO_STORE)


def _after(cursor: str | None) -> ContentRef | None:
    if cursor is None:
        return None
    kind, _, name = cursor.partition(":")
    try:
        return validated_content(kind, name)
    except InvalidRequest:
        raise InvalidRequest(("startingAfter", "must be the `next` of an earlier page")) from None


def _item_body(details: ContentDetails, url_policy: UrlPolicy) -> ContentItem:
    url = details.url or url_policy.content_url(details.content)
    return ContentItem(
        contentType=details.content.type,
        contentId=details.content.id,
        title=details.title,
        image=details.image,
        url=url,
        urlSource="own" if details.url else "settings" if url else None,
        shareCount=details.shares,
        updatedAt=details.updated_at,
    )
