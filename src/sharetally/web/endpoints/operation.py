"""Health and metrics of the API itself; relay and worker serve the same on OPS_PORT (see `ops.py`).

What waits and whether all counts are right is told here too, for people who look.
"""

from __future__ import annotations

from sharetally.domain.errors import Forbidden, Unavailable
from sharetally.domain.proof import CellProof, VerificationRun
from sharetally.web.endpoint import Request
from sharetally.web.network import is_from_networks
from sharetally.web.ops import liveness_response, metrics_response, readiness_response
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.operation import DriftedCell, LastVerify, OperationStatus, QueueDepth, VerifyReport
from sharetally.web.services import Services

MAX_DRIFTED_CELLS = 1_000
_NO_STORE = ("cache-control", "no-store")


async def live(services: Services, request: Request) -> Response:
    """A process that answers is alive."""
    return liveness_response(services.health)


async def ready(services: Services, request: Request) -> Response:
    """Whether it can do its work."""
    return await readiness_response(services.health)


async def metrics(services: Services, request: Request) -> Response:
    """Everything that was counted, for operators."""
    if not is_from_networks(request.scope, services.ops_networks):
        caller = await services.authenticator.authenticate(request.scope)
        if not caller.may("admin"):
            raise Forbidden("metrics need the scope admin, or an address in OPS_NETWORKS")
    return await metrics_response(services.exposition)


async def status(services: Services, request: Request) -> Response:
    """What waits, as it was within the last second, and the last look of any process."""
    waiting, look = await services.read_backlog(), await services.verification.last_run()
    if waiting.backlog is None:
        raise Unavailable
    queues = [QueueDepth(queue=name, depth=depth) for name, depth in waiting.depths.items()]
    body = OperationStatus(
        eventsPending=waiting.backlog.pending,
        eventOldestSeconds=round(waiting.backlog.oldest, 3),
        eventsParked=waiting.backlog.parked,
        queues=queues or None,
        lastVerify=_last_verify_body(look) if look else None,
    )
    return json_response(200, body, _NO_STORE)


def _last_verify_body(look: VerificationRun) -> LastVerify:
    return LastVerify(at=look.at, contents=look.content_items, drift=look.drift, seconds=look.seconds)


async def verify(services: Services, request: Request) -> Response:
    """Look at everything; of what is off the first thousand cells are told."""
    found = await services.verification.verify()
    look = found.run
    body = VerifyReport(
        at=look.at,
        contents=look.content_items,
        drift=look.drift,
        seconds=look.seconds,
        drifted=[_drifted_cell_body(cell) for cell in found.result.drifted[:MAX_DRIFTED_CELLS]],
    )
    return json_response(200, body, _NO_STORE)


def _drifted_cell_body(cell: CellProof) -> DriftedCell:
    return DriftedCell(
        contentType=cell.content.type,
        contentId=cell.content.id,
        cell=cell.cell,
        counted=cell.counted,
        pending=cell.pending,
        ledger=cell.ledger,
    )
