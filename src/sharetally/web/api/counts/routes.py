"""The routes of counts, their corrections and their proof."""

from __future__ import annotations

from sharetally.flow.adjustments import Adjustments
from sharetally.web.api.counts import handlers
from sharetally.web.api.counts.handlers import CountReader, ProofReader
from sharetally.web.api.counts.schemas import (
    AdjustmentBody,
    AdjustmentsBody,
    CountQuery,
    Counts,
    CountsBody,
    EventText,
    JobId,
    JobIds,
    Proof,
)
from sharetally.web.api.problem_sets import WRITE
from sharetally.web.count_responses import CountBody
from sharetally.web.endpoint import (
    MAX_BULK_BODY,
    Access,
    AnyEndpoint,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)
from sharetally.web.live.credentials import LiveCounts
from sharetally.web.live.event_stream import stream_count
from sharetally.web.parameters import ContentPath

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/share-links/count/{contentType}/{contentId}",
        handler=handlers.count,
        service=CountReader,
        request=Request[ContentPath, CountQuery, NoBody],
        summary="The count of one content item",
        tag="Counts",
        access=Access.PUBLIC_COUNTS,
        responses={200: CountBody, 304: None},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/share-links/count/{contentType}/{contentId}/live",
        handler=stream_count,
        service=LiveCounts,
        request=Request[ContentPath, NoQuery, NoBody],
        summary="The count of one content item, sent again whenever it changes",
        tag="Counts",
        access=Access.PUBLIC_COUNTS,
        responses={200: EventText},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        media_type="text/event-stream",
        head=True,
    ),
    Endpoint(
        method="POST",
        path="/share-links/counts",
        handler=handlers.counts,
        service=CountReader,
        request=Request[NoPath, NoQuery, CountsBody],
        summary="The counts of up to 200 content items",
        tag="Counts",
        access=Access.PUBLIC_COUNTS,
        responses={200: Counts},
        problems=(
            "invalid-request",
            "too-large",
            "unavailable",
        ),
        max_body=MAX_BULK_BODY,
    ),
    Endpoint(
        method="POST",
        path="/share-links/count/{contentType}/{contentId}/adjustments",
        handler=handlers.adjust,
        service=Adjustments,
        request=Request[ContentPath, NoQuery, AdjustmentBody],
        summary="Correct a count",
        tag="Counts",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={202: JobId},
        problems=(
            *WRITE,
            "job-id-reused",
        ),
        writes=True,
    ),
    Endpoint(
        method="POST",
        path="/share-links/adjustments",
        handler=handlers.adjust_many,
        service=Adjustments,
        request=Request[NoPath, NoQuery, AdjustmentsBody],
        summary="Correct up to 500 counts, all or none",
        tag="Counts",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={202: JobIds},
        problems=(
            *WRITE,
            "job-id-reused",
        ),
        writes=True,
        max_body=MAX_BULK_BODY,
    ),
    Endpoint(
        method="GET",
        path="/proof/{contentType}/{contentId}",
        handler=handlers.proof,
        service=ProofReader,
        request=Request[ContentPath, NoQuery, NoBody],
        summary="The ledger, the pending events and the count, from one snapshot",
        tag="Counts",
        access=Access.ANY_TOKEN,
        responses={200: Proof},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
)
