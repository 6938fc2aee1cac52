"""The routes of content items with their titles."""

from __future__ import annotations

from sharetally.web.api.content_items import handlers
from sharetally.web.api.content_items.handlers import ContentItems
from sharetally.web.api.content_items.schemas import ContentBody, ContentItem, Contents, ContentsQuery
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)
from sharetally.web.parameters import ContentPath

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/content",
        handler=handlers.list_contents,
        service=ContentItems,
        request=Request[NoPath, ContentsQuery, NoBody],
        summary="Find content items by id or title",
        tag="Contents",
        access=Access.ANY_TOKEN,
        scopes=("analytics", "audit", "admin"),
        responses={200: Contents},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/content/{contentType}/{contentId}",
        handler=handlers.read_content,
        service=ContentItems,
        request=Request[ContentPath, NoQuery, NoBody],
        summary="A content item with its title, picture, address and count",
        tag="Contents",
        access=Access.ANY_TOKEN,
        scopes=("analytics", "audit", "admin"),
        responses={200: ContentItem},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="PUT",
        path="/content/{contentType}/{contentId}",
        handler=handlers.describe_content,
        service=ContentItems,
        request=Request[ContentPath, NoQuery, ContentBody],
        summary="Set the title, picture and address of a content item",
        tag="Contents",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: ContentItem},
        problems=(
            "invalid-request",
            "too-large",
            "unavailable",
        ),
    ),
)
