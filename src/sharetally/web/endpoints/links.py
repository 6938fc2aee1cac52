"""Share links: create, read, change, delete, list; and the redirect behind a short address."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from msgspec import UNSET

from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef, shown_label, stored_label
from sharetally.domain.errors import Forbidden, Gone, InvalidRequest, NotFound
from sharetally.domain.ids import from_base62
from sharetally.domain.link import LINK_CODE_LENGTH, ShareLink
from sharetally.flow.links import CreateLink, DeleteLink, PatchLink, may_edit
from sharetally.ports import LinkFilter
from sharetally.web.decoding import to_utc
from sharetally.web.endpoint import Request
from sharetally.web.endpoints.pagination import split_page, starting_after
from sharetally.web.responses import Response, json_response, no_content
from sharetally.web.schemas.shares import Link, LinkPatch, Links
from sharetally.web.services import Services, validated_content


async def create(services: Services, request: Request) -> Response:
    """Hand out a link."""
    body = request.body
    content = validated_content(body.contentType, body.contentId)
    command = CreateLink(
        content=content,
        caller=request.caller,
        url=_target(services, content, body.url),
        channel=stored_label(body.channelId),
        campaign=stored_label(body.campaignId),
        expires_at=to_utc(body.expiresAt, "expiresAt"),
        request_id=request.request_id,
    )
    if services.hooks:
        await services.hooks.before_create(command.draft(services.clock.now()))
    return await services.commit(request, command, lambda link: _created_response(services, link))


def _target(services: Services, content: ContentRef, url: str | None) -> str:
    if url is not None:
        return services.url_policy.check_target(url, "url")
    changes = services.url_policy.content_url(content)
    if changes is None:
        raise InvalidRequest(("url", f"is needed: CONTENT_URLS does not say where a {content.type} lives"))
    return changes


def _created_response(services: Services, link: ShareLink) -> Response:
    return json_response(
        201, link_body(services, link), ("location", f"{services.url_policy.root_path}/share-links/{link.id}")
    )


def link_body(services: Services, link: ShareLink) -> Link:
    """A link as callers see it."""
    return Link(
        id=str(link.id),
        code=link.code,
        shortUrl=services.url_policy.short_url(link.code),
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


async def read_link(services: Services, request: Request) -> Response:
    """One link of the caller's own, or any for an admin."""
    link = await _visible_link(services, request)
    if link is None:
        raise NotFound("no such share link")
    return json_response(200, link_body(services, link))


async def patch(services: Services, request: Request) -> Response:
    """Change what the patch names."""
    fields = _changed_fields(services, request.body)
    command = PatchLink(link_id=_link_id(request), caller=request.caller, fields=fields, request_id=request.request_id)
    return await services.commit(request, command, lambda link: json_response(200, link_body(services, link)))


def _changed_fields(services: Services, body: LinkPatch) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if body.url is not UNSET:
        changes["url"] = services.url_policy.check_target(body.url, "url")
    if body.channelId is not UNSET:
        changes["channel"] = stored_label(body.channelId)
    if body.campaignId is not UNSET:
        changes["campaign"] = stored_label(body.campaignId)
    if body.expiresAt is not UNSET:
        changes["expires_at"] = to_utc(body.expiresAt, "expiresAt")
    return changes


async def delete(services: Services, request: Request) -> Response:
    """Delete a link: it no longer counts."""
    if services.hooks and (link := await _visible_link(services, request)):
        await services.hooks.before_delete(link)
    command = DeleteLink(link_id=_link_id(request), caller=request.caller, request_id=request.request_id)
    return await services.commit(request, command, lambda _: no_content())


async def list_links(services: Services, request: Request) -> Response:
    """The caller's own links, or any for an admin, newest first."""
    query = request.query
    criteria = LinkFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        user_id=_visible_user(request.caller, query.userId or None),
        campaign=stored_label(query.campaignId) if query.campaignId is not UNSET else None,
    )
    changes = await services.links.page(criteria, limit=query.pageSize + 1, after=starting_after(query))
    items, following = split_page(changes, query.pageSize)
    return json_response(200, Links(items=[link_body(services, link) for link in items], next=following))


def _visible_user(caller: Caller, user_id: str | None) -> str | None:
    if caller.may("admin"):
        return user_id
    if user_id is not None and user_id != caller.user_id:
        raise Forbidden("other people's links need the scope admin")
    return caller.user_id


async def _visible_link(services: Services, request: Request) -> ShareLink | None:
    link = await services.links.by_id(_link_id(request))
    visible = link is not None and link.deleted_at is None and may_edit(request.caller, link)
    return link if visible else None


def _link_id(request: Request) -> UUID:
    try:
        return UUID(request.path["id"])
    except ValueError:
        raise NotFound("no such share link") from None


async def follow(services: Services, request: Request) -> Response:
    """Go where a short address leads: a link's target, or the content of a record's own address."""
    code = request.path["code"]
    if len(code) == LINK_CODE_LENGTH:
        return _redirect(await _link_target(services, code))
    record_id = from_base62(code)
    record = await services.shares.by_id(record_id) if record_id else None
    target = services.url_policy.content_url(record.content) if record else None
    if target is None:
        raise NotFound("no such link")
    return _redirect(target)


async def _link_target(services: Services, code: str) -> str:
    changes = await services.queries.link(code)
    if changes is None:
        raise NotFound("no such link")
    if changes.expired or changes.deleted:
        raise Gone("this link has expired" if changes.expired else "this link was deleted")
    return changes.url


def _redirect(target: str) -> Response:
    ascii_only = target if target.isascii() else "".join(each if each.isascii() else quote(each) for each in target)
    return Response(status=302, headers=(("location", ascii_only), ("cache-control", "private, no-store")))
