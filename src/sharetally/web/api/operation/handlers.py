"""Handlers of health and metrics, of the backlog, and of verification.

Relay and worker serve the same health and metrics on OPS_PORT (see `ops.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sharetally.domain.errors import Forbidden, Unavailable
from sharetally.flow.verification import VerificationRunner
from sharetally.ports import BacklogReport, ClosedGate
from sharetally.web.api.operation.schemas import (
    DriftedCell,
    GateBody,
    LastVerify,
    OperationStatus,
    QueueDepth,
    VerifyReport,
)
from sharetally.web.auth.authenticator import Authenticator
from sharetally.web.endpoint import AnyQuery, NoBody, NoPath, NoQuery, Request
from sharetally.web.network import Network, is_from_networks
from sharetally.web.ops import Exposition, Health, liveness_response, metrics_response, readiness_response
from sharetally.web.responses import Response, json_response

MAX_DRIFTED_CELLS = 1_000
_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """The state of this process and of the whole service."""

    health: Health
    exposition: Exposition
    ops_networks: Sequence[Network]
    authenticator: Authenticator
    read_backlog: Callable[[], Awaitable[BacklogReport]]
    verification: VerificationRunner
    closed_gates: Callable[[], Awaitable[Sequence[ClosedGate]]]


async def live(operation: Operation, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """A process that answers is alive."""
    return liveness_response(operation.health)


async def ready(operation: Operation, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """Whether it can do its work."""
    return await readiness_response(operation.health)


async def metrics(operation: Operation, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """All metrics, for operators."""
    if not is_from_networks(request.scope, operation.ops_networks):
        caller = await operation.authenticator.authenticate(request.scope)
        if not caller.may("admin"):
            raise Forbidden("metrics need the scope admin, or an address in OPS_NETWORKS")
    return await metrics_response(operation.exposition)


async def status(operation: Operation, request: Request[NoPath, NoQuery, NoBody]) -> Response:
    """The backlog, at most a second old, the last verification run of any process, and the gates that are closed."""
    waiting, last = await operation.read_backlog(), await operation.verification.last_run()
    gates = await operation.closed_gates()
    if waiting.backlog is None:
        raise Unavailable
    queues = [QueueDepth(queue=name, depth=depth) for name, depth in waiting.depths.items()]
    body = OperationStatus(
        eventsPending=waiting.backlog.pending,
        eventOldestSeconds=round(waiting.backlog.oldest, 3),
        eventsParked=waiting.backlog.parked,
        queues=queues or None,
        lastVerify=LastVerify(at=last.at, contents=last.content_items, drift=last.drift, seconds=last.seconds)
        if last
        else None,
        closedGates=[
            GateBody(gate=gate.gate, reason=gate.reason, until=gate.until, version=gate.version) for gate in gates
        ],
    )
    return json_response(200, body, _NO_STORE)


async def verify(operation: Operation, request: Request[NoPath, NoQuery, NoBody]) -> Response:
    """Verify all counts; of the cells that have drifted, the first thousand are returned."""
    found = await operation.verification.verify()
    run = found.run
    body = VerifyReport(
        at=run.at,
        contents=run.content_items,
        drift=run.drift,
        seconds=run.seconds,
        drifted=[
            DriftedCell(
                contentType=cell.content.type,
                contentId=cell.content.id,
                cell=cell.cell,
                counted=cell.counted,
                pending=cell.pending,
                ledger=cell.ledger,
            )
            for cell in found.result.drifted[:MAX_DRIFTED_CELLS]
        ],
    )
    return json_response(200, body, _NO_STORE)
