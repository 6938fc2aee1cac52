"""Health and metrics of the API itself; relay and worker serve the same on OPS_PORT (see `operation.py`).

What waits and whether all counts are right is told here too, for people who look.
"""

from __future__ import annotations

from sharetally.domain.errors import Forbidden, Unavailable
from sharetally.domain.proof import CellProof, Look
from sharetally.web.answers import Answer, json_answer
from sharetally.web.endpoint import Asked
from sharetally.web.network import from_networks
from sharetally.web.operation import live_answer, metrics_answer, ready_answer
from sharetally.web.parts import Parts
from sharetally.web.schemas.operation import DriftedCell, LastVerify, OperationStatus, QueueDepth, VerifyReport

TOLD_CELLS = 1_000
_FRESH = ("cache-control", "no-store")


async def live(parts: Parts, asked: Asked) -> Answer:
    """A process that answers is alive."""
    return live_answer(parts.health)


async def ready(parts: Parts, asked: Asked) -> Answer:
    """Whether it can do its work."""
    return await ready_answer(parts.health)


async def metrics(parts: Parts, asked: Asked) -> Answer:
    """Everything that was counted, for operators."""
    if not from_networks(asked.scope, parts.ops_networks):
        caller = await parts.callers.of(asked.scope)
        if not caller.may("admin"):
            raise Forbidden("metrics need the scope admin, or an address in OPS_NETWORKS")
    return await metrics_answer(parts.exposition)


async def status(parts: Parts, asked: Asked) -> Answer:
    """What waits, as it was within the last second, and the last look of any process."""
    waiting, look = await parts.waiting(), await parts.looking.last()
    if waiting.backlog is None:
        raise Unavailable
    queues = [QueueDepth(queue=name, depth=depth) for name, depth in waiting.depths.items()]
    body = OperationStatus(
        eventsPending=waiting.backlog.pending,
        eventOldestSeconds=round(waiting.backlog.oldest, 3),
        eventsParked=waiting.backlog.parked,
        queues=queues or None,
        lastVerify=_look(look) if look else None,
    )
    return json_answer(200, body, _FRESH)


def _look(look: Look) -> LastVerify:
    return LastVerify(at=look.at, contents=look.contents, drift=look.drift, seconds=look.seconds)


async def verify(parts: Parts, asked: Asked) -> Answer:
    """Look at everything; of what is off the first thousand cells are told."""
    found = await parts.looking.look()
    look = found.look
    body = VerifyReport(
        at=look.at,
        contents=look.contents,
        drift=look.drift,
        seconds=look.seconds,
        drifted=[_drifted(cell) for cell in found.verdict.drifted[:TOLD_CELLS]],
    )
    return json_answer(200, body, _FRESH)


def _drifted(cell: CellProof) -> DriftedCell:
    return DriftedCell(
        contentType=cell.content.type,
        contentId=cell.content.id,
        cell=cell.cell,
        counted=cell.counted,
        pending=cell.pending,
        ledger=cell.ledger,
    )
