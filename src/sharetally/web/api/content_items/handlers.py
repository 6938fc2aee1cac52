"""Handlers of content items: titles, pictures and addresses, and how content items are found."""

from __future__ import annotations

from dataclasses import dataclass

from sharetally.domain.content import ContentRef, text_fault
from sharetally.domain.content_details import ContentDetails, query_words
from sharetally.domain.errors import InvalidRequest
from sharetally.flow.retry import retry_transaction
from sharetally.flow.urls import UrlPolicy, url_fault
from sharetally.ports import ContentItemStore
from sharetally.web.api.content_items.schemas import ContentBody, ContentItem, Contents, ContentsQuery
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request
from sharetally.web.parameters import ContentPath, validated_content
from sharetally.web.responses import Response, json_response

_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class ContentItems:
    """What is known about content items, and where they are."""

    store: ContentItemStore
    urls: UrlPolicy


async def describe_content(items: ContentItems, request: Request[ContentPath, NoQuery, ContentBody]) -> Response:
    """Set the title, picture and address of a content item, replacing what was set before."""
    content, body = request.path.content, request.body
    blank = body.title is not None and not body.title.strip()
    faults = (
        ("title", "must not be blank; send null for no title" if blank else text_fault(body.title or "")),
        ("image", url_fault(body.image) if body.image is not None else None),
        ("url", url_fault(body.url) if body.url is not None else None),
    )
    if found := [(name, fault) for name, fault in faults if fault]:
        raise InvalidRequest(*found)
    details = ContentDetails(content=content, title=body.title, image=body.image, url=body.url)
    described = await retry_transaction(lambda: items.store.describe(details))
    return json_response(200, _item_body(described, items.urls), _NO_STORE)


async def read_content(items: ContentItems, request: Request[ContentPath, NoQuery, NoBody]) -> Response:
    """One content item; of an unknown one there is nothing but its type and id."""
    (found,) = await items.store.details([request.path.content])
    return json_response(200, _item_body(found, items.urls), _NO_STORE)


async def list_contents(items: ContentItems, request: Request[NoPath, ContentsQuery, NoBody]) -> Response:
    """Content items whose id begins with the query or whose title contains its words."""
    query = request.query
    wanted = query.query or ""
    found = await items.store.search(
        id_prefix=wanted,
        words=query_words(wanted),
        content_type=query.contentType or None,
        limit=query.pageSize + 1,
        after=_after(query.startingAfter or None),
    )
    bodies = [_item_body(each, items.urls) for each in found[: query.pageSize]]
    more = f"{bodies[-1].contentType}:{bodies[-1].contentId}" if len(found) > query.pageSize else None
    return json_response(200, Contents(items=bodies, next=more), _NO_STORE)


def _after(cursor: str | None) -> ContentRef | None:
    if cursor is None:
        return None
    kind, _, name = cursor.partition(":")
    try:
        return validated_content(kind, name)
    except InvalidRequest:
        raise InvalidRequest(("startingAfter", "must be the `next` of an earlier page")) from None


def _item_body(details: ContentDetails, urls: UrlPolicy) -> ContentItem:
    url = details.url or urls.content_url(details.content)
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
