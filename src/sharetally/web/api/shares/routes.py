"""The routes of shares: the same four for videos and for any content item, and the list of platforms."""

from __future__ import annotations

from sharetally.flow.sharing import Sharing
from sharetally.web.api.problem_sets import IDEMPOTENT_WRITE, WRITE
from sharetally.web.api.shares import handlers
from sharetally.web.api.shares.handlers import ContentItemPath, PlatformPath
from sharetally.web.api.shares.schemas import (
    ContentPlatformPath,
    ContentShares,
    ContentStatus,
    Platforms,
    RetryBody,
    ShareBody,
    VideoPlatformPath,
    VideoShares,
    VideoStatus,
    WithdrawQuery,
)
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    AnyQuery,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)
from sharetally.web.parameters import ContentPath, VideoPath


def _share_routes(
    base: str,
    share_request: type[Request[ContentItemPath, NoQuery, ShareBody]],
    status_request: type[Request[ContentItemPath, NoQuery, NoBody]],
    withdraw_request: type[Request[PlatformPath, WithdrawQuery, NoBody]],
    platform_request: type[Request[PlatformPath, NoQuery, NoBody]],
    *,
    shared: type[VideoShares | ContentShares],
    status: type[VideoStatus | ContentStatus],
) -> tuple[AnyEndpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path=f"{base}/share",
            handler=handlers.share,
            service=Sharing,
            request=share_request,
            summary="Share on one or more platforms",
            tag="Shares",
            access=Access.VISITORS_TOO,
            scopes=("shares", "visits"),
            responses={200: shared, 202: shared},
            problems=(
                *WRITE,
                "unsupported-platforms",
                "conflict",
            ),
            writes=True,
        ),
        Endpoint(
            method="GET",
            path=f"{base}/share-status",
            handler=handlers.status,
            service=Sharing,
            request=status_request,
            summary="The platforms where the content item is shared, by anyone and by the caller",
            tag="Shares",
            access=Access.VISITORS_TOO,
            responses={200: status},
            problems=(
                "invalid-request",
                "unavailable",
            ),
            head=True,
        ),
        Endpoint(
            method="DELETE",
            path=f"{base}/share/{{platform}}",
            handler=handlers.withdraw,
            service=Sharing,
            request=withdraw_request,
            summary="Withdraw the caller's own share",
            tag="Shares",
            access=Access.VISITORS_TOO,
            scopes=("shares", "visits"),
            responses={204: None},
            problems=(
                "invalid-request",
                "not-found",
                "conflict",
                *IDEMPOTENT_WRITE,
            ),
            writes=True,
        ),
        Endpoint(
            method="POST",
            path=f"{base}/share/{{platform}}/retry",
            handler=handlers.retry,
            service=Sharing,
            request=platform_request,
            summary="Try a failed or unknown share again",
            tag="Shares",
            access=Access.ANY_TOKEN,
            scopes=("shares",),
            responses={202: RetryBody},
            problems=(
                "invalid-request",
                "not-found",
                "conflict",
                *IDEMPOTENT_WRITE,
            ),
            writes=True,
        ),
    )


ENDPOINTS: tuple[AnyEndpoint, ...] = (
    *_share_routes(
        "/videos/{videoId}",
        Request[VideoPath, NoQuery, ShareBody],
        Request[VideoPath, NoQuery, NoBody],
        Request[VideoPlatformPath, WithdrawQuery, NoBody],
        Request[VideoPlatformPath, NoQuery, NoBody],
        shared=VideoShares,
        status=VideoStatus,
    ),
    *_share_routes(
        "/content/{contentType}/{contentId}",
        Request[ContentPath, NoQuery, ShareBody],
        Request[ContentPath, NoQuery, NoBody],
        Request[ContentPlatformPath, WithdrawQuery, NoBody],
        Request[ContentPlatformPath, NoQuery, NoBody],
        shared=ContentShares,
        status=ContentStatus,
    ),
    Endpoint(
        method="GET",
        path="/platforms",
        handler=handlers.platforms,
        service=Sharing,
        request=Request[NoPath, AnyQuery, NoBody],
        summary="The allowed platforms and what each can do",
        tag="Shares",
        access=Access.PUBLIC,
        responses={200: Platforms},
        head=True,
    ),
)
