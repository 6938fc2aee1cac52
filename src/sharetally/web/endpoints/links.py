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
from sharetally.flow.linking import CreateLink, DeleteLink, PatchLink, may_touch
from sharetally.ports import LinkFilter
from sharetally.web.answers import Answer, json_answer, no_content
from sharetally.web.bodies import utc
from sharetally.web.endpoint import Asked
from sharetally.web.endpoints.paging import page_of, starting_after
from sharetally.web.parts import Parts, checked_content
from sharetally.web.schemas.shares import Link, LinkPatch, Links


async def create(parts: Parts, asked: Asked) -> Answer:
    """Hand out a link."""
    body = asked.body
    content = checked_content(body.contentType, body.contentId)
    wish = CreateLink(
        content=content,
        caller=asked.signed,
        url=_target(parts, content, body.url),
        channel=stored_label(body.channelId),
        campaign=stored_label(body.campaignId),
        expires_at=utc(body.expiresAt, "expiresAt"),
        request_id=asked.request_id,
    )
    if parts.hooks:
        await parts.hooks.before_create(wish.draft(parts.clock.now()))
    return await parts.commit(asked, wish, lambda link: _created(parts, link))


def _target(parts: Parts, content: ContentRef, url: str | None) -> str:
    if url is not None:
        return parts.places.check_target(url, "url")
    found = parts.places.content_url(content)
    if found is None:
        raise InvalidRequest(("url", f"is needed: CONTENT_URLS does not say where a {content.type} lives"))
    return found


def _created(parts: Parts, link: ShareLink) -> Answer:
    return json_answer(201, shown_link(parts, link), ("location", f"{parts.places.root_path}/share-links/{link.id}"))


def shown_link(parts: Parts, link: ShareLink) -> Link:
    """A link as callers see it."""
    return Link(
        id=str(link.id),
        code=link.code,
        shortUrl=parts.places.short_url(link.code),
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


async def read(parts: Parts, asked: Asked) -> Answer:
    """One link of the caller's own, or any for an admin."""
    link = await _found(parts, asked)
    if link is None:
        raise NotFound("no such share link")
    return json_answer(200, shown_link(parts, link))


async def patch(parts: Parts, asked: Asked) -> Answer:
    """Change what the patch names."""
    fields = _fields(parts, asked.body)
    wish = PatchLink(link_id=_link_id(asked), caller=asked.signed, fields=fields, request_id=asked.request_id)
    return await parts.commit(asked, wish, lambda link: json_answer(200, shown_link(parts, link)))


def _fields(parts: Parts, body: LinkPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if body.url is not UNSET:
        found["url"] = parts.places.check_target(body.url, "url")
    if body.channelId is not UNSET:
        found["channel"] = stored_label(body.channelId)
    if body.campaignId is not UNSET:
        found["campaign"] = stored_label(body.campaignId)
    if body.expiresAt is not UNSET:
        found["expires_at"] = utc(body.expiresAt, "expiresAt")
    return found


async def delete(parts: Parts, asked: Asked) -> Answer:
    """Delete a link: it no longer counts."""
    if parts.hooks and (link := await _found(parts, asked)):
        await parts.hooks.before_delete(link)
    wish = DeleteLink(link_id=_link_id(asked), caller=asked.signed, request_id=asked.request_id)
    return await parts.commit(asked, wish, lambda _: no_content())


async def listing(parts: Parts, asked: Asked) -> Answer:
    """The caller's own links, or any for an admin, newest first."""
    query = asked.query
    wanted = LinkFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        user_id=_whose(asked.signed, query.userId or None),
        campaign=stored_label(query.campaignId) if query.campaignId is not UNSET else None,
    )
    found = await parts.reading.links(wanted, limit=query.pageSize + 1, after=starting_after(query))
    items, following = page_of(found, query.pageSize)
    return json_answer(200, Links(items=[shown_link(parts, link) for link in items], next=following))


def _whose(caller: Caller, user_id: str | None) -> str | None:
    if caller.may("admin"):
        return user_id
    if user_id is not None and user_id != caller.user_id:
        raise Forbidden("other people's links need the scope admin")
    return caller.user_id


async def _found(parts: Parts, asked: Asked) -> ShareLink | None:
    link = await parts.reading.link(_link_id(asked))
    visible = link is not None and link.deleted_at is None and may_touch(asked.signed, link)
    return link if visible else None


def _link_id(asked: Asked) -> UUID:
    try:
        return UUID(asked.path["id"])
    except ValueError:
        raise NotFound("no such share link") from None


async def follow(parts: Parts, asked: Asked) -> Answer:
    """Go where a short address leads: a link's target, or the content of a record's own address."""
    code = asked.path["code"]
    if len(code) == LINK_CODE_LENGTH:
        return _to(await _link_target(parts, code))
    record_id = from_base62(code)
    record = await parts.reading.record(record_id) if record_id else None
    target = parts.places.content_url(record.content) if record else None
    if target is None:
        raise NotFound("no such link")
    return _to(target)


async def _link_target(parts: Parts, code: str) -> str:
    found = await parts.queries.link(code)
    if found is None:
        raise NotFound("no such link")
    if found.expired or found.deleted:
        raise Gone("this link has expired" if found.expired else "this link was deleted")
    return found.url


def _to(target: str) -> Answer:
    ascii_only = target if target.isascii() else "".join(each if each.isascii() else quote(each) for each in target)
    return Answer(status=302, headers=(("location", ascii_only), ("cache-control", "private, no-store")))
