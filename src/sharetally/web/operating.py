"""Health and metrics of the API itself; relay and worker serve the same on OPS_PORT (see `operation.py`)."""

from __future__ import annotations

from sharetally.domain.errors import Forbidden
from sharetally.web.answers import Answer
from sharetally.web.endpoint import Asked
from sharetally.web.network import from_networks
from sharetally.web.operation import live_answer, metrics_answer, ready_answer
from sharetally.web.parts import Parts


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
