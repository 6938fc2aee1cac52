"""Handlers of share links: from the request to the use case `Links`, and from its outcome to the response."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from msgspec import UNSET

from sharetally.domain.content import shown_label, stored_label
from sharetally.domain.link import ShareLink
from sharetally.flow.links import LinkRequest, Links
from sharetally.flow.urls import UrlPolicy
from sharetally.ports import LinkFilter
from sharetally.web.api.links.schemas import CodePath, Link, LinkBody, LinkPatch, LinkPath, LinksQuery
from sharetally.web.api.links.schemas import Links as LinksBody
from sharetally.web.decoding import to_utc
from sharetally.web.endpoint import AnyQuery, NoBody, NoPath, NoQuery, Request, response_to
from sharetally.web.paging import split_page, starting_after
from sharetally.web.parameters import validated_content
from sharetally.web.responses import Response, json_response, no_content


async def create(links: Links, request: Request[NoPath, NoQuery, LinkBody]) -> Response:
    """Create a link to hand out."""
    body, root_path = request.body, request.root_path

    def render(link: ShareLink) -> Response:
        location = ("location", f"{root_path}/share-links/{link.id}")
        return json_response(201, link_body(link, links.urls, root_path), location)

    wanted = LinkRequest(
        content=validated_content(body.contentType, body.contentId),
        url=body.url,
        channel=stored_label(body.channelId),
        campaign=stored_label(body.campaignId),
        expires_at=to_utc(body.expiresAt, "expiresAt"),
    )
    outcome = await links.create(
        wanted, request.caller, request_id=request.request_id, idempotent=request.idempotent(render)
    )
    return response_to(outcome, render)


def link_body(link: ShareLink, urls: UrlPolicy, root_path: str) -> Link:
    """A link as callers see it."""
    return Link(
        id=str(link.id),
        code=link.code,
        shortUrl=urls.short_url(link.code, root_path=root_path),
        contentType=link.content.type,
        contentId=link.content.id,
        userId=link.user_id,
        channelId=shown_label(link.channel),
        campaignId=shown_label(link.campaign),
        url=link.url,
        createdAt=link.created_at,
        updatedAt=link.updated_at,
        expiresAt=link.expires_at,
    )


async def read_link(links: Links, request: Request[LinkPath, NoQuery, NoBody]) -> Response:
    """One of the caller's own links, or any link for an admin."""
    link = await links.read(request.path.link_id, request.caller)
    return json_response(200, link_body(link, links.urls, request.root_path))


async def list_links(links: Links, request: Request[NoPath, LinksQuery, NoBody]) -> Response:
    """The caller's own links, or anybody's for an admin, newest first."""
    query = request.query
    criteria = LinkFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        user_id=query.userId or None,
        campaign=stored_label(query.campaignId) if query.campaignId is not UNSET else None,
    )
    found = await links.search(criteria, request.caller, limit=query.pageSize + 1, after=starting_after(query))
    page, following = split_page(found, query.pageSize)
    items = [link_body(link, links.urls, request.root_path) for link in page]
    return json_response(200, LinksBody(items=items, next=following))


async def patch(links: Links, request: Request[LinkPath, NoQuery, LinkPatch]) -> Response:
    """Change what the patch contains."""
    body = request.body
    changes: dict[str, Any] = {}
    if body.url is not UNSET:
        changes["url"] = body.url
    if body.channelId is not UNSET:
        changes["channel"] = stored_label(body.channelId)
    if body.campaignId is not UNSET:
        changes["campaign"] = stored_label(body.campaignId)
    if body.expiresAt is not UNSET:
        changes["expires_at"] = to_utc(body.expiresAt, "expiresAt")

    def render(link: ShareLink) -> Response:
        return json_response(200, link_body(link, links.urls, request.root_path))

    outcome = await links.change(
        request.path.link_id,
        changes,
        request.caller,
        request_id=request.request_id,
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


async def delete(links: Links, request: Request[LinkPath, NoQuery, NoBody]) -> Response:
    """Delete a link, which then no longer counts."""

    def render(_: ShareLink) -> Response:
        return no_content()

    outcome = await links.delete(
        request.path.link_id, request.caller, request_id=request.request_id, idempotent=request.idempotent(render)
    )
    return response_to(outcome, render)


async def follow(links: Links, request: Request[CodePath, AnyQuery, NoBody]) -> Response:
    """Redirect to where a short address leads."""
    target = await links.target(request.path.code)
    ascii_only = target if target.isascii() else "".join(each if each.isascii() else quote(each) for each in target)
    return Response(status=302, headers=(("location", ascii_only), ("cache-control", "private, no-store")))
