"""Handlers of shares: from the request to the use case `Sharing`, and from its outcome to the response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET

from sharetally.domain.ids import CODE_LENGTH
from sharetally.domain.post import Post
from sharetally.domain.share import ShareRecord, Status
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
    PostBody,
    RetryBody,
    ShareBody,
    ShareResultBody,
    TextRuleBody,
    VideoPlatformPath,
    VideoShares,
    VideoStatus,
    WithdrawQuery,
)
from sharetally.web.decoding import to_utc
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
        accounts={name: UUID(account) for name, account in body.accounts.items()},
        scheduled_at=to_utc(body.scheduledAt, "scheduledAt"),
    )

    def render(results: Sequence[ShareResult]) -> Response:
        bodies = [
            ShareResultBody(
                platform=each.record.platform,
                status=each.record.status.value,  # type: ignore[arg-type]  # a share is never withdrawn
                alreadyShared=each.already_shared,
                evidence=each.record.evidence.value,
                shareUrl=sharing.share_page(each.record, wanted, root_path=request.root_path),
                post=UNSET if each.post is None else post_body(each.post),
                warnings=list(each.warnings) or UNSET,
            )
            for each in results
        ]
        is_pending = any(each.status in ("pending", "sending") for each in bodies)
        status = 202 if is_pending or any(each.post is not None and each.post.open for each in results) else 200
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
    statuses = await sharing.status(content, request.caller.user_id)
    posts = await sharing.posts_of(statuses)
    bodies = [_status_body(each, posts.get(each.mine.id) if each.mine else None) for each in statuses]
    if isinstance(request.path, VideoPath):
        return json_response(200, VideoStatus(video_id=content.id, platforms=bodies))
    return json_response(200, ContentStatus(contentType=content.type, contentId=content.id, platforms=bodies))


def _status_body(found: ShareStatus, post: Post | None) -> PlatformStatusBody:
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
        myPost=UNSET if post is None else post_body(post),
    )


def post_body(post: Post) -> PostBody:
    """A post as its user sees it."""
    has_error = post.error_code is not None or post.error_message is not None
    return PostBody(
        id=str(post.id),
        accountId=str(post.account_id),
        status=post.status.value,
        scheduledAt=post.scheduled_at or UNSET,
        url=post.external_url or UNSET,
        error=ErrorBody(code=post.error_code or "waiting", message=post.error_message or "") if has_error else UNSET,
    )


async def withdraw(sharing: Sharing, request: Request[PlatformPath, WithdrawQuery, NoBody]) -> Response:
    """Take back the caller's own share."""

    def render(_: ShareRecord) -> Response:
        return no_content()

    outcome = await sharing.withdraw(
        request.path.content,
        request.path.platform,
        request.caller,
        request_id=request.request_id,
        delete_post=request.query.deletePost,
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


async def retry(sharing: Sharing, request: Request[PlatformPath, NoQuery, NoBody]) -> Response:
    """Try a failed or unknown post again."""

    def render(record: ShareRecord) -> Response:
        status: Literal["pending", "unknown"] = "unknown" if record.status is Status.UNKNOWN else "pending"
        body = RetryBody(platform=record.platform, status=status, attemptCount=record.attempt_count)
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
    publishers, short_url = sharing.requests.publishers, sharing.urls.short_url("x" * CODE_LENGTH, root_path="")
    bodies = [
        PlatformBody(
            platform=each.name,
            label=each.label,
            intent=each.intent(url="https://example.com/", text="") is not None,
            server_post=each.name in publishers,
            textLimit=each.text_limit,
            textRule=UNSET
            if each.name not in publishers or (rule := publishers[each.name].text_rule) is None
            else TextRuleBody(
                unit=rule.unit.value,
                limit=rule.limit,
                linkLength=rule.url_length or len(short_url),
                urlLength=rule.url_length,
            ),
        )
        for each in sharing.platforms.allowed.values()
    ]
    return json_response(200, Platforms(platforms=bodies))
