"""The routes of the audit."""

from __future__ import annotations

from sharetally.web.api.audit import export, handlers
from sharetally.web.api.audit.handlers import AuditReader
from sharetally.web.api.audit.schemas import (
    AuditLines,
    AuditQuery,
    CsvText,
    ExportQuery,
    JsonLines,
    RecordHistory,
    RecordPath,
)
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/audit",
        handler=handlers.audit,
        service=AuditReader,
        request=Request[NoPath, AuditQuery, NoBody],
        summary="Who did what: everything with the scope audit, otherwise only the caller's own lines",
        tag="Audit",
        access=Access.ANY_TOKEN,
        responses={200: AuditLines},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/audit/export",
        handler=export.export,
        service=AuditReader,
        request=Request[NoPath, ExportQuery, NoBody],
        summary="Lines of the audit as a file of any length",
        tag="Audit",
        access=Access.ANY_TOKEN,
        responses={200: CsvText},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        media_type="text/csv",
        other_media={"application/x-ndjson": JsonLines},
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/audit/records/{recordId}",
        handler=handlers.history,
        service=AuditReader,
        request=Request[RecordPath, NoQuery, NoBody],
        summary="The history of one share, link or correction",
        tag="Audit",
        access=Access.ANY_TOKEN,
        responses={200: RecordHistory},
        problems=(
            "invalid-request",
            "not-found",
            "unavailable",
        ),
        head=True,
    ),
)
