"""The routes for those who run the service: backlog and verification, health and metrics."""

from __future__ import annotations

from sharetally.web.api.operation import handlers
from sharetally.web.api.operation.handlers import Operation
from sharetally.web.api.operation.schemas import HealthBody, OperationStatus, VerifyReport
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

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/operation/status",
        handler=handlers.status,
        service=Operation,
        request=Request[NoPath, NoQuery, NoBody],
        summary="The backlog, the last verification run, and what is paused",
        tag="Operation",
        access=Access.ANY_TOKEN,
        scopes=("analytics", "admin"),
        responses={200: OperationStatus},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="POST",
        path="/operation/verify",
        handler=handlers.verify,
        service=Operation,
        request=Request[NoPath, NoQuery, NoBody],
        summary="Compare all counts with the ledger; only one run at a time",
        tag="Operation",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: VerifyReport},
        problems=(
            "invalid-request",
            "conflict",
            "unavailable",
        ),
    ),
)

PROBE_ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/health/live",
        handler=handlers.live,
        service=Operation,
        request=Request[NoPath, AnyQuery, NoBody],
        summary="Whether this process is running",
        tag="Operation",
        access=Access.PUBLIC,
        responses={200: HealthBody},
        head=True,
    ),
    *(
        Endpoint(
            method="GET",
            path=path,
            handler=handlers.ready,
            service=Operation,
            request=Request[NoPath, AnyQuery, NoBody],
            summary="Whether this process can work; without its broker or cache it is degraded and says so",
            tag="Operation",
            access=Access.PUBLIC,
            responses={200: HealthBody, 503: HealthBody},
            head=True,
        )
        for path in ("/health", "/health/ready")
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=handlers.metrics,
        service=Operation,
        request=Request[NoPath, AnyQuery, NoBody],
        summary="Metrics in the Prometheus text format",
        tag="Operation",
        access=Access.OPERATORS,
        responses={200: str},
        problems=("unavailable",),
        media_type="text/plain",
        head=True,
    ),
)
