"""Shares over time, the most shared, and contents with their titles."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET

from sharetally.domain.calendar import interval_of, zone_of
from sharetally.domain.content import ContentRef, stored_label, text_fault
from sharetally.domain.details import ContentDetails, asked_words
from sharetally.domain.errors import InvalidRequest
from sharetally.flow.again import again
from sharetally.flow.analytics import Moves, Series, Span, Which
from sharetally.ports import Group, TopContent
from sharetally.web.answers import Answer, json_answer
from sharetally.web.bodies import utc
from sharetally.web.endpoint import Asked
from sharetally.web.parts import Parts, Places, checked_content, content_of, url_fault
from sharetally.web.schemas.insight import (
    ContentBody,
    ContentItem,
    Contents,
    ContentsQuery,
    PointBody,
    SeriesBody,
    SharesOverTime,
    SharesQuery,
    SpanQuery,
    SumBody,
    Top,
    TopItem,
    TopQuery,
)

_GROUPS = {"channel": Group.CHANNEL, "evidence": Group.EVIDENCE, "contentType": Group.CONTENT_TYPE}
_FRESH = ("cache-control", "no-store")


async def shares(parts: Parts, asked: Asked) -> Answer:
    """Made and withdrawn by bucket."""
    query: SharesQuery = asked.query
    span, group = _span(query), query.groupBy or None
    which = _which(query, query.contentId or None)
    found = await parts.analytics.over_time(which, span, bucket=query.bucket, by=_GROUPS[group] if group else None)
    starts = [each.astimezone(span.zone) for each in found.starts]
    body = SharesOverTime(
        start=found.start.astimezone(span.zone),
        end=found.end.astimezone(span.zone),
        bucket=query.bucket,
        timezone=query.timezone,
        groupBy=group,
        total=_sum(found.total),
        series=[_series(each, starts) for each in found.series],
    )
    return json_answer(200, body, _FRESH)


def _span(query: SpanQuery) -> Span:
    zone = zone_of(query.timezone)
    if zone is None:
        raise InvalidRequest(("timezone", "must be an IANA time zone, like Europe/Berlin"))
    interval = interval_of(query.interval) if query.interval is not UNSET else None
    return Span(zone=zone, start=utc(query.start, "from"), end=utc(query.end, "to"), interval=interval)


def _which(query: SpanQuery, content_id: str | None = None) -> Which:
    kind = query.contentType or None
    if content_id is not None and kind is None:
        raise InvalidRequest(("contentType", "is needed beside contentId"))
    if content_id is not None and kind is not None:
        checked_content(kind, content_id)
    channel = stored_label(query.channel) if query.channel is not UNSET else None
    return Which(content_type=kind, content_id=content_id, channel=channel)


def _sum(moves: Moves) -> SumBody:
    return SumBody(made=moves.made, withdrawn=moves.withdrawn, shares=moves.shares)


def _series(series: Series, starts: list[datetime]) -> SeriesBody:
    points = [
        PointBody(at=at, made=each.made, withdrawn=each.withdrawn, shares=each.shares)
        for at, each in zip(starts, series.points, strict=True)
    ]
    whole = series.sum
    return SeriesBody(name=series.name, made=whole.made, withdrawn=whole.withdrawn, shares=whole.shares, points=points)


async def top(parts: Parts, asked: Asked) -> Answer:
    """The most shared first."""
    query: TopQuery = asked.query
    found = await parts.analytics.top(_which(query), _span(query), limit=query.limit)
    return json_answer(200, Top(items=[_top_item(each, parts.places) for each in found]), _FRESH)


def _top_item(top: TopContent, places: Places) -> TopItem:
    details = top.details
    return TopItem(
        contentType=details.content.type,
        contentId=details.content.id,
        title=details.title,
        image=details.image,
        url=details.url or places.content_url(details.content),
        made=top.made,
        withdrawn=top.withdrawn,
        shares=top.made - top.withdrawn,
        shareCount=details.shares,
    )


async def describe(parts: Parts, asked: Asked) -> Answer:
    """Tell title, picture and address of a content, in place of what was told before."""
    content, body = content_of(asked), asked.body
    _check(body)
    told = ContentDetails(content=content, title=body.title, image=body.image, url=body.url)
    return json_answer(200, _item(await again(lambda: parts.insight.describe(told)), parts.places), _FRESH)


def _check(body: ContentBody) -> None:
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


async def read(parts: Parts, asked: Asked) -> Answer:
    """One content; of one that nobody knows there is no more than its name."""
    (found,) = await parts.insight.details([content_of(asked)])
    return json_answer(200, _item(found, parts.places), _FRESH)


async def listing(parts: Parts, asked: Asked) -> Answer:
    """Contents by the begin of an id or the words of a title."""
    query: ContentsQuery = asked.query
    wanted = query.query or ""
    found = await parts.insight.contents(
        begin=wanted,
        words=asked_words(wanted),
        content_type=query.contentType or None,
        limit=query.pageSize + 1,
        after=_after(query.startingAfter or None),
    )
    items = [_item(each, parts.places) for each in found[: query.pageSize]]
    more = f"{items[-1].contentType}:{items[-1].contentId}" if len(found) > query.pageSize else None
    return json_answer(200, Contents(items=items, next=more), _FRESH)


def _after(told: str | None) -> ContentRef | None:
    if told is None:
        return None
    kind, _, name = told.partition(":")
    try:
        return checked_content(kind, name)
    except InvalidRequest:
        raise InvalidRequest(("startingAfter", "must be the `next` of an earlier page")) from None


def _item(details: ContentDetails, places: Places) -> ContentItem:
    url = details.url or places.content_url(details.content)
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
