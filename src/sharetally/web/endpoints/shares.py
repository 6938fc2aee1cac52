"""Sharing, share status, withdrawing, retrying: `/videos/{videoId}/…` and `/content/{type}/{id}/…`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sharetally.domain.content import ContentRef, id_fault, prose_fault
from sharetally.domain.errors import InvalidRequest, NotFound, SharetallyError, UnsupportedPlatforms
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.share import Evidence, ShareRecord, Status, Trigger
from sharetally.flow.queries import ShareStatus
from sharetally.flow.sharing import Retry, Share, ShareResult, Withdraw
from sharetally.web.endpoint import Request
from sharetally.web.responses import Response, json_response, no_content
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
from sharetally.web.services import Services, content_from_path


async def share(services: Services, request: Request) -> Response:
    """Record a share on each platform, and answer where to share it."""
    try:
        return await _share(services, request)
    except SharetallyError as error:
        services.meter.share_error("", error.code)
        raise


async def _share(services: Services, request: Request) -> Response:
    content, body = content_from_path(request), request.body
    platforms = _validate(services, body)
    await _check_hooks(services, request, content, platforms)
    command = Share(
        content=content,
        caller=request.caller,
        platforms=platforms,
        trigger=Trigger.FORCE if body.force else Trigger.DECLARE,
        request_id=request.request_id,
    )
    response = await services.commit(
        request, command, lambda results: _share_response(services, request, content, results)
    )
    for result in command.results:
        services.meter.shares(result.record.platform, body.mode, result.record.status.value)
    return response


def _validate(services: Services, body: ShareBody) -> list[str]:
    if body.mode == "server_post":
        raise InvalidRequest(("mode", "server_post is not available yet; use track_only"))
    if body.text and (fault := prose_fault(body.text)):
        raise InvalidRequest(("text", fault))
    if body.url is not UNSET:
        services.url_policy.check_target(body.url, "url")
    return requested_platforms(services, body)


def requested_platforms(services: Services, body: ShareBody) -> list[str]:
    """The platforms asked for, each once, in the order asked; all of SHARE_PLATFORMS where none is named."""
    if body.platforms is UNSET:
        return _default_platforms(services)
    names = list(dict.fromkeys(services.canonical_platform(name) for name in body.platforms))
    unknown = [name for name in names if name not in services.platforms and name not in services.device_platforms]
    if unknown:
        raise UnsupportedPlatforms(unknown, list(services.platforms))
    return names


def _default_platforms(services: Services) -> list[str]:
    names = [name for name in services.platforms if name not in services.device_platforms]
    if not names:
        raise InvalidRequest(("platforms", "is needed: none of SHARE_PLATFORMS is shared to without being named"))
    return names


async def _check_hooks(services: Services, request: Request, content: ContentRef, platforms: Sequence[str]) -> None:
    if not services.hooks:
        return
    caller = request.caller
    existing = await services.shares.of_user(content, caller.user_id)
    for platform in platforms:
        await services.hooks.may_share(caller.user_id, content, platform)
        if platform not in existing:
            await services.hooks.before_create(_draft(content, platform, caller.user_id))


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


def _share_response(
    services: Services, request: Request, content: ContentRef, results: Sequence[ShareResult]
) -> Response:
    bodies = [_result_body(services, request.body, each) for each in results]
    pending = any(each.status in ("pending", "sending") for each in bodies)
    response_body: VideoShares | ContentShares
    if "videoId" in request.path:
        response_body = VideoShares(video_id=content.id, mode=request.body.mode, results=bodies)
    else:
        response_body = ContentShares(
            contentType=content.type, contentId=content.id, mode=request.body.mode, results=bodies
        )
    return json_response(202 if pending else 200, response_body)


def _result_body(services: Services, body: ShareBody, result: ShareResult) -> ShareResultBody:
    record = result.record
    return ShareResultBody(
        platform=record.platform,
        status=record.status.value,  # type: ignore[arg-type]
        alreadyShared=result.already_shared,
        evidence=record.evidence.value,
        shareUrl=_share_url(services, body, record),
    )


def _share_url(services: Services, body: ShareBody, record: ShareRecord) -> str | None:
    """The platform's share page around the record's short link, or around the content's own address."""
    address = services.url_policy.content_url(record.content)
    if services.url_policy.public_url and address:
        address = services.url_policy.short_url(to_base62(record.id))
    elif body.url is not UNSET:
        address = body.url
    if address is None:
        return None
    platform = services.platforms.get(record.platform) or services.device_platforms[record.platform]
    return platform.intent(url=address, text=body.text) or address


async def status(services: Services, request: Request) -> Response:
    """Every allowed platform, and those on the user's own device once shared: by anyone, by the caller, when last."""
    content = content_from_path(request)
    names = list(dict.fromkeys((*services.platforms, *services.device_platforms)))
    found = await services.queries.share_status(content, request.caller.user_id, names)
    bodies = [_status_body(each) for each in found if each.platform in services.platforms or each.status.shares > 0]
    if "videoId" in request.path:
        return json_response(200, VideoStatus(video_id=content.id, platforms=bodies))
    return json_response(200, ContentStatus(contentType=content.type, contentId=content.id, platforms=bodies))


def _status_body(found: ShareStatus) -> PlatformStatusBody:
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


async def withdraw(services: Services, request: Request) -> Response:
    """Take back the caller's own share."""
    content, platform = content_from_path(request), _platform_from_path(services, request)
    if services.hooks:
        mine = (await services.shares.of_user(content, request.caller.user_id)).get(platform)
        if mine is not None and mine.live:
            await services.hooks.before_delete(mine)
    command = Withdraw(content=content, caller=request.caller, platform=platform, request_id=request.request_id)
    return await services.commit(request, command, lambda _: no_content())


async def retry(services: Services, request: Request) -> Response:
    """Try a failed or unknown post again."""
    command = Retry(
        content=content_from_path(request),
        caller=request.caller,
        platform=_platform_from_path(services, request),
        request_id=request.request_id,
    )
    return await services.commit(request, command, _retry_response)


def _retry_response(record: ShareRecord) -> Response:
    body = RetryBody(platform=record.platform, status="pending", attemptCount=record.attempt_count)
    return json_response(202, body)


def _platform_from_path(services: Services, request: Request) -> str:
    """The platform in the path; a record of one that is no longer allowed can still be withdrawn."""
    name = request.path["platform"]
    if id_fault(name) or len(name) > 32:
        raise NotFound("no such platform")
    return services.canonical_platform(name)


async def platforms(services: Services, request: Request) -> Response:
    """What is allowed, and what each platform can do."""
    bodies = [
        PlatformBody(
            platform=each.name,
            label=each.label,
            intent=each.intent(url="https://example.com/", text="") is not None,
            server_post=each.server_post,
            textLimit=each.text_limit,
        )
        for each in services.platforms.values()
    ]
    return json_response(200, Platforms(platforms=bodies))
