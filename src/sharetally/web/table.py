"""The API on one screen: every endpoint, who may ask, what goes in and what comes out."""

from __future__ import annotations

from functools import partial

from sharetally.web.endpoint import MAX_BULK_BODY, Access, Endpoint
from sharetally.web.endpoints import audit, audit_export, console, counts, links, operation, shares, tokens
from sharetally.web.live import event_stream as live_event_stream
from sharetally.web.schemas import audit as schemas_audit
from sharetally.web.schemas import console as schemas_console
from sharetally.web.schemas import counts as schemas_counts
from sharetally.web.schemas import operation as schemas_operation
from sharetally.web.schemas import shares as schemas
from sharetally.web.schemas import tokens as schemas_tokens
from sharetally.web.table_analytics import ANALYTICS_ENDPOINTS
from sharetally.web.table_operation import OPERATION_ENDPOINTS

_IDEMPOTENT_WRITE = ("idempotency-key-reused", "rate-limited", "unavailable")
_WRITE = ("invalid-request", "too-large", *_IDEMPOTENT_WRITE)

_share = partial(Endpoint, tag="Shares")
_link = partial(Endpoint, tag="Share links")
_count = partial(Endpoint, tag="Counts")
_console = partial(Endpoint, tag="Console", path="/console/session")
_operation = partial(Endpoint, tag="Operation")


def _share_routes(base: str, shared: object, status: object) -> tuple[Endpoint, ...]:
    return (
        _share(
            method="POST",
            path=f"{base}/share",
            handler=shares.share,
            summary="Share on one or more platforms",
            access=Access.VISITS,
            responses={200: shared, 202: shared},
            body=schemas.ShareBody,
            problems=(*_WRITE, "unsupported-platforms", "conflict"),
            writes=True,
        ),
        _share(
            method="GET",
            path=f"{base}/share-status",
            handler=shares.status,
            summary="Shared where, by anyone and by the caller",
            access=Access.SIGNED_OR_VISITOR,
            responses={200: status},
            problems=("invalid-request", "unavailable"),
        ),
        _share(
            method="DELETE",
            path=f"{base}/share/{{platform}}",
            handler=shares.withdraw,
            summary="Withdraw the caller's own share",
            access=Access.VISITS,
            responses={204: None},
            problems=("invalid-request", "not-found", "conflict", *_IDEMPOTENT_WRITE),
            writes=True,
        ),
        _share(
            method="POST",
            path=f"{base}/share/{{platform}}/retry",
            handler=shares.retry,
            summary="Try a failed or unknown share again",
            access=Access.SHARES,
            responses={202: schemas.RetryBody},
            problems=("invalid-request", "not-found", "conflict", *_IDEMPOTENT_WRITE),
            writes=True,
        ),
    )


_SHARES = (
    *_share_routes("/videos/{videoId}", schemas.VideoShares, schemas.VideoStatus),
    *_share_routes("/content/{contentType}/{contentId}", schemas.ContentShares, schemas.ContentStatus),
    _share(
        method="GET",
        path="/platforms",
        handler=shares.platforms,
        summary="The allowed platforms and what each can do",
        access=Access.PUBLIC,
        responses={200: schemas.Platforms},
    ),
)

_LINKS = (
    _link(
        method="POST",
        path="/share-links",
        handler=links.create,
        summary="Create a share link",
        access=Access.SHARES,
        responses={201: schemas.Link},
        body=schemas.LinkBody,
        problems=(*_WRITE, "conflict"),
        writes=True,
    ),
    _link(
        method="GET",
        path="/share-links",
        handler=links.list_links,
        summary="List share links",
        access=Access.SIGNED,
        responses={200: schemas.Links},
        query=schemas.LinksQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _link(
        method="GET",
        path="/share-links/{id}",
        handler=links.read_link,
        summary="Read a share link",
        access=Access.SIGNED,
        responses={200: schemas.Link},
        problems=("invalid-request", "not-found", "unavailable"),
    ),
    _link(
        method="PATCH",
        path="/share-links/{id}",
        handler=links.patch,
        summary="Change a share link",
        access=Access.SHARES,
        responses={200: schemas.Link},
        body=schemas.LinkPatch,
        problems=(*_WRITE, "not-found", "conflict"),
        writes=True,
    ),
    _link(
        method="DELETE",
        path="/share-links/{id}",
        handler=links.delete,
        summary="Delete a share link",
        access=Access.SHARES,
        responses={204: None},
        problems=("invalid-request", "not-found", "conflict", *_IDEMPOTENT_WRITE),
        writes=True,
    ),
    _link(
        method="GET",
        path="/s/{code}",
        handler=links.follow,
        summary="Follow a short address",
        access=Access.PUBLIC,
        responses={302: None},
        problems=("invalid-request", "not-found", "gone", "unavailable"),
    ),
)

_COUNTS = (
    _count(
        method="GET",
        path="/share-links/count/{contentType}/{contentId}",
        handler=counts.count,
        summary="The count of one content",
        access=Access.COUNTS,
        responses={200: schemas_counts.CountBody, 304: None},
        query=schemas_counts.CountQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _count(
        method="GET",
        path="/share-links/count/{contentType}/{contentId}/live",
        handler=live_event_stream.stream_count,
        summary="The count of one content as it moves",
        access=Access.COUNTS,
        responses={200: schemas_counts.EventText},
        problems=("invalid-request", "unavailable"),
        media_type="text/event-stream",
    ),
    _count(
        method="POST",
        path="/share-links/counts",
        handler=counts.counts,
        summary="Counts of up to 200 contents",
        access=Access.COUNTS,
        responses={200: schemas_counts.Counts},
        body=schemas_counts.CountsBody,
        problems=("invalid-request", "too-large", "unavailable"),
        max_body=MAX_BULK_BODY,
    ),
    _count(
        method="POST",
        path="/share-links/count/{contentType}/{contentId}/adjustments",
        handler=counts.adjust,
        summary="Correct a count",
        access=Access.ADMIN,
        responses={202: schemas_counts.JobId},
        body=schemas_counts.AdjustmentBody,
        problems=(*_WRITE, "job-id-reused"),
        writes=True,
    ),
    _count(
        method="POST",
        path="/share-links/adjustments",
        handler=counts.adjust_many,
        summary="Correct up to 500 counts, all or none",
        access=Access.ADMIN,
        responses={202: schemas_counts.JobIds},
        body=schemas_counts.AdjustmentsBody,
        problems=(*_WRITE, "job-id-reused"),
        writes=True,
        max_body=MAX_BULK_BODY,
    ),
    _count(
        method="GET",
        path="/proof/{contentType}/{contentId}",
        handler=counts.proof,
        summary="Ledger, pending and counted, from one snapshot",
        access=Access.SIGNED,
        responses={200: schemas_counts.Proof},
        problems=("invalid-request", "unavailable"),
    ),
)

_AUDIT_AND_TOKENS = (
    Endpoint(
        method="GET",
        path="/audit",
        handler=audit.audit,
        summary="Who did what: everything with the scope audit, else one's own",
        tag="Audit",
        access=Access.SIGNED,
        responses={200: schemas_audit.AuditLines},
        query=schemas_audit.AuditQuery,
        problems=("invalid-request", "unavailable"),
    ),
    Endpoint(
        method="GET",
        path="/audit/export",
        handler=audit_export.export,
        summary="Lines of the audit as a file, however many",
        tag="Audit",
        access=Access.SIGNED,
        responses={200: schemas_audit.CsvText},
        query=schemas_audit.ExportQuery,
        problems=("invalid-request", "unavailable"),
        media_type="text/csv",
        other_media={"application/x-ndjson": schemas_audit.JsonLines},
    ),
    Endpoint(
        method="GET",
        path="/audit/records/{recordId}",
        handler=audit.history,
        summary="All that happened to one share, link or correction",
        tag="Audit",
        access=Access.SIGNED,
        responses={200: schemas_audit.RecordHistory},
        problems=("invalid-request", "not-found", "unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/tokens",
        handler=tokens.token,
        summary="A short token for one's own front end",
        tag="Tokens",
        access=Access.ACT_AS,
        responses={200: schemas_tokens.Token},
        body=schemas_tokens.TokenBody,
        problems=("invalid-request", "too-large", "conflict", "unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/tokens/visitor",
        handler=tokens.visitor,
        summary="A token for a visitor without an account",
        tag="Tokens",
        access=Access.PUBLIC,
        responses={200: schemas_tokens.Token},
        problems=("not-found", "rate-limited"),
    ),
)

_CONSOLE = (
    _console(
        method="POST",
        handler=console.sign_in,
        summary="Sign in with the code of a one-time link",
        access=Access.PUBLIC,
        responses={200: schemas_console.ConsoleSession},
        body=schemas_console.SignInBody,
        problems=("invalid-request", "unauthenticated", "forbidden", "too-large", "unavailable"),
    ),
    _console(
        method="GET",
        handler=console.current_session,
        summary="Who is signed in",
        access=Access.CONSOLE,
        responses={200: schemas_console.ConsoleSession},
        problems=("unavailable",),
    ),
    _console(
        method="DELETE",
        handler=console.sign_out,
        summary="Sign out",
        access=Access.PUBLIC,
        responses={204: None},
        problems=("forbidden", "unavailable"),
    ),
    Endpoint(
        method="GET",
        path="/console/options",
        handler=console.options,
        summary="How one may sign in",
        tag="Console",
        access=Access.PUBLIC,
        responses={200: schemas_console.ConsoleOptions},
    ),
)

API_ENDPOINTS = (*_SHARES, *_LINKS, *_COUNTS, *ANALYTICS_ENDPOINTS, *_AUDIT_AND_TOKENS, *_CONSOLE, *OPERATION_ENDPOINTS)

PROBE_ENDPOINTS = (
    _operation(
        method="GET",
        path="/health/live",
        handler=operation.live,
        summary="Whether this process turns",
        access=Access.PUBLIC,
        responses={200: schemas_operation.HealthBody},
    ),
    *(
        _operation(
            method="GET",
            path=path,
            handler=operation.ready,
            summary="Whether it can do its work; a dead broker or cache degrades and is named",
            access=Access.PUBLIC,
            responses={200: schemas_operation.HealthBody, 503: schemas_operation.HealthBody},
        )
        for path in ("/health", "/health/ready")
    ),
    _operation(
        method="GET",
        path="/metrics",
        handler=operation.metrics,
        summary="Metrics in Prometheus' text format",
        access=Access.OPERATORS,
        responses={200: str},
        problems=("unavailable",),
        media_type="text/plain",
    ),
)
