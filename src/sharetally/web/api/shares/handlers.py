"""Handlers of shares: from the request to the use case `Sharing`, and from its outcome to the response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import UNSET

from sharetally.domain.share import ShareRecord
from sharetally.flow.queries import ShareStatus
from sharetally.flow.share_commands import ShareResult
from sharetally.flow.sharing import ShareRequest, Sharing
from sharetally.web.api.shares.schemas import (
    ContentPlatformPath,
    ContentShares,
    ContentStatus,
    PlatformBody,
    Platforms,
    PlatformStatusBody,
    RetryBody,
    ShareBody,
    ShareResultBody,
    VideoPlatformPath,
    VideoShares,
    VideoStatus,
)
from sharetally.web.endpoint import AnyQuery, NoBody, NoPath, NoQuery, Request, response_to
from sharetally.web.fields import ErrorBody
from sharetally.web.parameters import ContentPath, VideoPath
from sharetally.web.responses import Response, json_response, no_content

ContentItemPath: TypeAlias = VideoPath | ContentPath
PlatformPath: TypeAlias = VideoPlatformPath | ContentPlatformPath


async def share(sharing: Sharing, request: Request[ContentItemPath, NoQuery, ShareBody]) -> Response:
    """Record a share on each platform, and answer where to open its share page."""
    body = request.body
    wanted = ShareRequest(
        content=request.path.content,
        platforms=None if body.platforms is UNSET else body.platforms,
        mode=body.mode,
        force=body.force,
        text=body.text,
        url=None if body.url is UNSET else body.url,
    )

    def render(results: Sequence[ShareResult]) -> Response:
        bodies = [
            ShareResultBody(
                platform=each.record.platform,
                status=each.record.status.value,  # type: ignore[arg-type]  # a share is never withdrawn
                alreadyShared=each.already_shared,
                evidence=each.record.evidence.value,
                shareUrl=sharing.share_page(each.record, wanted, root_path=request.root_path),
            )
            for each in results
        ]
        status = 202 if any(each.status in ("pending", "sending") for each in bodies) else 200
        content = wanted.content
        if isinstance(request.path, VideoPath):
            return json_response(status, VideoShares(video_id=content.id, mode=body.mode, results=bodies))
        return json_response(
            status, ContentShares(contentType=content.type, contentId=content.id, mode=body.mode, results=bodies)
        )

    outcome = await sharing.share(
        wanted, request.caller, request_id=request.request_id, idempotent=request.idempotent(render)
    )
    return response_to(outcome, render)


async def status(sharing: Sharing, request: Request[ContentItemPath, NoQuery, NoBody]) -> Response:
    """Each platform: whether anybody shared the content item there, whether the caller did, and when last."""
    content = request.path.content
    bodies = [_status_body(each) for each in await sharing.status(content, request.caller.user_id)]
    if isinstance(request.path, VideoPath):
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


async def withdraw(sharing: Sharing, request: Request[PlatformPath, NoQuery, NoBody]) -> Response:
    """Take back the caller's own share."""

    def render(_: ShareRecord) -> Response:
        return no_content()

    outcome = await sharing.withdraw(
        request.path.content,
        request.path.platform,
        request.caller,
        request_id=request.request_id,
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


async def retry(sharing: Sharing, request: Request[PlatformPath, NoQuery, NoBody]) -> Response:
    """Try a failed or unknown post again."""

    def render(record: ShareRecord) -> Response:
        body = RetryBody(platform=record.platform, status="pending", attemptCount=record.attempt_count)
        return json_response(202, body)

    outcome = await sharing.retry(
        request.path.content,
        request.path.platform,
        request.caller,
        request_id=request.request_id,
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


async def platforms(sharing: Sharing, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """The allowed platforms, and what each can do."""
    bodies = [
        PlatformBody(
            platform=each.name,
            label=each.label,
            intent=each.intent(url="https://example.com/", text="") is not None,
            server_post=each.server_post,
            textLimit=each.text_limit,
        )
        for each in sharing.platforms.allowed.values()
    ]
    return json_response(200, Platforms(platforms=bodies))
