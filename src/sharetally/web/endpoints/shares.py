"""Sharing, share status, withdrawing, retrying: `/videos/{videoId}/…` and `/content/{type}/{id}/…`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sharetally.domain.content import ContentRef, id_fault, prose_fault
from sharetally.domain.errors import InvalidRequest, NotFound, SharetallyError, UnsupportedPlatforms
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.share import Evidence, Request, ShareRecord, Status
from sharetally.flow.queries import ShareStatus
from sharetally.flow.sharing import Retry, Share, ShareResult, Withdraw
from sharetally.web.answers import Answer, json_answer, no_content
from sharetally.web.endpoint import Asked
from sharetally.web.parts import Parts, content_of
from sharetally.web.schemas.shares import (
    ContentShares,
    ContentStatus,
    ErrorBody,
    PlatformBody,
    Platforms,
    PlatformStatusBody,
    RetryBody,
    ShareBody,
    ShareResultBody,
    VideoShares,
    VideoStatus,
)


async def share(parts: Parts, asked: Asked) -> Answer:
    """Record a share on each platform, and answer where to share it."""
    try:
        return await _share(parts, asked)
    except SharetallyError as error:
        parts.meter.share_error("", error.code)
        raise


async def _share(parts: Parts, asked: Asked) -> Answer:
    content, body = content_of(asked), asked.body
    platforms = _checked(parts, body)
    await _may(parts, asked, content, platforms)
    wish = Share(
        content=content,
        caller=asked.signed,
        platforms=platforms,
        request=Request.FORCE if body.force else Request.DECLARE,
        request_id=asked.request_id,
    )
    answer = await parts.commit(asked, wish, lambda results: _shared(parts, asked, content, results))
    for result in wish.results:
        parts.meter.shares(result.record.platform, body.mode, result.record.status.value)
    return answer


def _checked(parts: Parts, body: ShareBody) -> list[str]:
    if body.mode == "server_post":
        raise InvalidRequest(("mode", "server_post is not available yet; use track_only"))
    if body.text and (fault := prose_fault(body.text)):
        raise InvalidRequest(("text", fault))
    if body.url is not UNSET:
        parts.places.check_target(body.url, "url")
    return named_platforms(parts, body)


def named_platforms(parts: Parts, body: ShareBody) -> list[str]:
    """The platforms asked for, each once, in the order asked; all of SHARE_PLATFORMS where none is named."""
    if body.platforms is UNSET:
        return _default_platforms(parts)
    names = list(dict.fromkeys(parts.canonical(name) for name in body.platforms))
    unknown = [name for name in names if name not in parts.platforms and name not in parts.own_platforms]
    if unknown:
        raise UnsupportedPlatforms(unknown, list(parts.platforms))
    return names


def _default_platforms(parts: Parts) -> list[str]:
    names = [name for name in parts.platforms if name not in parts.own_platforms]
    if not names:
        raise InvalidRequest(("platforms", "is needed: none of SHARE_PLATFORMS is shared to without being named"))
    return names


async def _may(parts: Parts, asked: Asked, content: ContentRef, platforms: Sequence[str]) -> None:
    if not parts.hooks:
        return
    caller = asked.signed
    standing = await parts.reading.records_of(content, caller.user_id)
    for platform in platforms:
        await parts.hooks.may_share(caller.user_id, content, platform)
        if platform not in standing:
            await parts.hooks.before_create(_draft(content, platform, caller.user_id))


def _draft(content: ContentRef, platform: str, user_id: str) -> ShareRecord:
    return ShareRecord(
        id=new_id(),
        content=content,
        platform=platform,
        user_id=user_id,
        status=Status.SUCCESS,
        evidence=Evidence.DECLARED,
        attempt_count=1,
    )


def _shared(parts: Parts, asked: Asked, content: ContentRef, results: Sequence[ShareResult]) -> Answer:
    shown = [_result(parts, asked.body, each) for each in results]
    pending = any(each.status in ("pending", "sending") for each in shown)
    named: VideoShares | ContentShares
    if "videoId" in asked.path:
        named = VideoShares(video_id=content.id, mode=asked.body.mode, results=shown)
    else:
        named = ContentShares(contentType=content.type, contentId=content.id, mode=asked.body.mode, results=shown)
    return json_answer(202 if pending else 200, named)


def _result(parts: Parts, body: ShareBody, result: ShareResult) -> ShareResultBody:
    record = result.record
    return ShareResultBody(
        platform=record.platform,
        status=record.status.value,  # type: ignore[arg-type]
        alreadyShared=result.already_shared,
        evidence=record.evidence.value,
        shareUrl=_share_url(parts, body, record),
    )


def _share_url(parts: Parts, body: ShareBody, record: ShareRecord) -> str | None:
    """The platform's share page around the record's short link, or around the content's own address."""
    address = parts.places.content_url(record.content)
    if parts.places.public_url and address:
        address = parts.places.short_url(to_base62(record.id))
    elif body.url is not UNSET:
        address = body.url
    if address is None:
        return None
    platform = parts.platforms.get(record.platform) or parts.own_platforms[record.platform]
    return platform.intent(url=address, text=body.text) or address


async def status(parts: Parts, asked: Asked) -> Answer:
    """Every allowed platform, and those on the user's own device once shared: by anyone, by the caller, when last."""
    content = content_of(asked)
    names = list(dict.fromkeys((*parts.platforms, *parts.own_platforms)))
    found = await parts.queries.share_status(content, asked.signed.user_id, names)
    shown = [_status(each) for each in found if each.platform in parts.platforms or each.status.shares > 0]
    if "videoId" in asked.path:
        return json_answer(200, VideoStatus(video_id=content.id, platforms=shown))
    return json_answer(200, ContentStatus(contentType=content.type, contentId=content.id, platforms=shown))


def _status(found: ShareStatus) -> PlatformStatusBody:
    shares, mine = max(found.status.shares, 0), found.mine
    failed = mine is not None and mine.error_code is not None
    return PlatformStatusBody(
        platform=found.platform,
        shared=shares > 0,
        shareCount=shares,
        sharedByMe=mine is not None and mine.live,
        lastSharedAt=(found.status.last_shared_at or UNSET) if shares else UNSET,
        myStatus=mine.status.value if mine else UNSET,
        myError=ErrorBody(code=mine.error_code or "", message=mine.error_message or "") if mine and failed else UNSET,
    )


async def withdraw(parts: Parts, asked: Asked) -> Answer:
    """Take back the caller's own share."""
    content, platform = content_of(asked), _platform(parts, asked)
    if parts.hooks:
        mine = (await parts.reading.records_of(content, asked.signed.user_id)).get(platform)
        if mine is not None and mine.live:
            await parts.hooks.before_delete(mine)
    wish = Withdraw(content=content, caller=asked.signed, platform=platform, request_id=asked.request_id)
    return await parts.commit(asked, wish, lambda _: no_content())


async def retry(parts: Parts, asked: Asked) -> Answer:
    """Try a failed or unknown post again."""
    wish = Retry(
        content=content_of(asked), caller=asked.signed, platform=_platform(parts, asked), request_id=asked.request_id
    )
    return await parts.commit(asked, wish, _retried)


def _retried(record: ShareRecord) -> Answer:
    body = RetryBody(platform=record.platform, status="pending", attemptCount=record.attempt_count)
    return json_answer(202, body)


def _platform(parts: Parts, asked: Asked) -> str:
    """The platform in the path; a record of one that is no longer allowed can still be withdrawn."""
    name = asked.path["platform"]
    if id_fault(name) or len(name) > 32:
        raise NotFound("no such platform")
    return parts.canonical(name)


async def platforms(parts: Parts, asked: Asked) -> Answer:
    """What is allowed, and what each platform can do."""
    shown = [
        PlatformBody(
            platform=each.name,
            label=each.label,
            intent=each.intent(url="https://example.com/", text="") is not None,
            server_post=each.server_post,
            textLimit=each.text_limit,
        )
        for each in parts.platforms.values()
    ]
    return json_answer(200, Platforms(platforms=shown))
