"""The routes of dead letters: parked jobs and dead deliveries."""

from __future__ import annotations

from sharetally.web.api.dead_letters import handlers
from sharetally.web.api.dead_letters.handlers import DeadLetters
from sharetally.web.api.dead_letters.schemas import DeadJob, DeadJobs, DeadResults, DiscardBody, ReplayBody
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)
from sharetally.web.paging import PageQuery
from sharetally.web.parameters import IdPath

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/dead",
        handler=handlers.list_jobs,
        service=DeadLetters,
        request=Request[NoPath, PageQuery, NoBody],
        summary="List parked jobs and dead deliveries",
        tag="Parked jobs",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: DeadJobs},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/dead/{id}",
        handler=handlers.read_job,
        service=DeadLetters,
        request=Request[IdPath, NoQuery, NoBody],
        summary="Read a parked job or a dead delivery",
        tag="Parked jobs",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: DeadJob},
        problems=(
            "invalid-request",
            "not-found",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="POST",
        path="/dead/replay",
        handler=handlers.replay,
        service=DeadLetters,
        request=Request[NoPath, NoQuery, ReplayBody],
        summary="Count parked jobs after all, and deliver dead deliveries again; those replayed before are not found",
        tag="Parked jobs",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: DeadResults},
        problems=(
            "invalid-request",
            "too-large",
            "unavailable",
        ),
    ),
    Endpoint(
        method="POST",
        path="/dead/discard",
        handler=handlers.discard,
        service=DeadLetters,
        request=Request[NoPath, NoQuery, DiscardBody],
        summary="Discard them; adjustments with author and reason cancel what the jobs would have counted",
        tag="Parked jobs",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: DeadResults},
        problems=(
            "invalid-request",
            "too-large",
            "unavailable",
        ),
    ),
)
