"""Endpoints for whoever runs the service: parked jobs, keys, what waits, and a look at everything."""

from __future__ import annotations

from functools import partial

from sharetally.web.endpoint import Access, Endpoint
from sharetally.web.endpoints import keys, operation, parked_jobs
from sharetally.web.schemas import operation as schemas_operation
from sharetally.web.schemas.shares import PageQuery

_dead = partial(Endpoint, tag="Parked jobs", access=Access.ADMIN)
_key = partial(Endpoint, tag="Keys", access=Access.ADMIN)
_operation = partial(Endpoint, tag="Operation")

OPERATION_ENDPOINTS = (
    _dead(
        method="GET",
        path="/dead",
        handler=parked_jobs.list_jobs,
        summary="Jobs that were set aside, and deliveries that are dead",
        responses={200: schemas_operation.DeadJobs},
        query=PageQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _dead(
        method="GET",
        path="/dead/{id}",
        handler=parked_jobs.read_job,
        summary="A job that was set aside, or a delivery that is dead",
        responses={200: schemas_operation.DeadJob},
        problems=("invalid-request", "not-found", "unavailable"),
    ),
    _dead(
        method="POST",
        path="/dead/replay",
        handler=parked_jobs.replay,
        summary="Count parked jobs after all, deliver dead deliveries again; a second time they are not found",
        responses={200: schemas_operation.DeadResults},
        body=schemas_operation.ReplayBody,
        problems=("invalid-request", "too-large", "unavailable"),
    ),
    _dead(
        method="POST",
        path="/dead/discard",
        handler=parked_jobs.discard,
        summary="Give them up; adjustments with author and reason cancel what jobs would have counted",
        responses={200: schemas_operation.DeadResults},
        body=schemas_operation.DiscardBody,
        problems=("invalid-request", "too-large", "unavailable"),
    ),
    _key(
        method="GET",
        path="/keys",
        handler=keys.list_keys,
        summary="API keys, revoked ones included",
        responses={200: schemas_operation.Keys},
        query=PageQuery,
        problems=("invalid-request", "unavailable"),
    ),
    _key(
        method="POST",
        path="/keys",
        handler=keys.create,
        summary="Make an API key; it is shown this once",
        responses={201: schemas_operation.NewKey},
        body=schemas_operation.KeyBody,
        problems=("invalid-request", "conflict", "too-large", "unavailable"),
    ),
    _key(
        method="GET",
        path="/keys/{id}",
        handler=keys.read_key,
        summary="An API key",
        responses={200: schemas_operation.Key},
        problems=("invalid-request", "not-found", "unavailable"),
    ),
    _key(
        method="DELETE",
        path="/keys/{id}",
        handler=keys.revoke,
        summary="Revoke an API key; it stops within ten seconds",
        responses={204: None},
        problems=("invalid-request", "not-found", "unavailable"),
    ),
    _operation(
        method="GET",
        path="/operation/status",
        handler=operation.status,
        summary="What waits, and the last look at everything",
        access=Access.STATUS,
        responses={200: schemas_operation.OperationStatus},
        problems=("invalid-request", "unavailable"),
    ),
    _operation(
        method="POST",
        path="/operation/verify",
        handler=operation.verify,
        summary="Compare all counts with the ledger, one look at a time",
        access=Access.ADMIN,
        responses={200: schemas_operation.VerifyReport},
        problems=("invalid-request", "conflict", "unavailable"),
    ),
)
