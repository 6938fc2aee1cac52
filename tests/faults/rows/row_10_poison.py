"""Poisoned messages enter the queues under load: not JSON, wrong shapes, an unknown version, a huge size, endless
nesting.

In the internal queues, elements that contain no job are rejected one by one and go to the dead queue, and the jobs
next to them are counted. In the queue for other services, a message that is a JSON object but not a valid job is
parked on a row with its reason; a valid job between them counts once, however often it is delivered.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from uuid import UUID

import aio_pika

from tests.faults.harness import FaultHarness
from tests.faults.redelivery import connect
from tests.faults.row import SERVERS, Row
from tests.oracle.expected import Correction
from tests.oracle.system import System

ROUNDS = 3
MEGABYTE = 1024 * 1024
UNKNOWN_CONTENT = {"jobId": str(UUID(int=7)), "contentType": "video", "contentId": "poison"}
FOREIGN = {**UNKNOWN_CONTENT, "jobId": "in-1", "shareId": "s-1", "userId": "zoe", "timestamp": "2026-11-20T20:00:00Z"}
JSON = "share_created"

# Routing key and body, and how many rejected pieces it becomes.
_INSIDE: tuple[tuple[str, bytes, int], ...] = (
    (JSON, b"\x00\xff neither JSON nor text", 1),
    (JSON, json.dumps(UNKNOWN_CONTENT).encode(), 1),
    (JSON, json.dumps([7, "job", {**UNKNOWN_CONTENT, "jobId": "no id"}, UNKNOWN_CONTENT]).encode(), 3),
    (JSON, json.dumps({"version": 2, "jobs": [UNKNOWN_CONTENT]}).encode(), 1),
    (JSON, b"[" * 100_000, 1),
    (JSON, json.dumps([UNKNOWN_CONTENT] * 20_000).encode(), 0),
    ("share_deleted", b"", 1),
    ("share_deleted", b"[]", 0),
    ("mark.count", b'{"mark": "yesterday"}', 1),
)
# The message's type and body: rejected, or parked.
_REJECTED: tuple[tuple[str, bytes], ...] = (
    (JSON, b"not JSON"),
    (JSON, b"[1, 2, 3]"),
    (JSON, json.dumps({**FOREIGN, "reason": "long" * 20_000}).encode()),
)
_PARKED: tuple[tuple[str, dict[str, object]], ...] = (
    ("share_exploded", {**FOREIGN}),
    (JSON, {**FOREIGN, "version": 2}),
    (JSON, {**FOREIGN, "timestamp": "yesterday"}),
    (JSON, {key: value for key, value in FOREIGN.items() if key != "userId"}),
    ("share_count_update", {**FOREIGN, "operation": "increment", "amount": 10**9}),
)


async def perform(harness: FaultHarness) -> None:
    huge = Random(harness.seed).randbytes(8 * MEGABYTE)
    inside = [*_INSIDE, (JSON, huge, 1)]
    dead = sum(pieces for _, _, pieces in inside) + len(_REJECTED)
    harness.predict(parked=len(_PARKED) * ROUNDS, dead=dead * ROUNDS)
    async with harness.open(harness.topology()) as system:
        async with harness.load(seconds=20), connect(system) as connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.get_exchange("sharetally")
            for _ in range(ROUNDS):
                for key, body, _ in inside:
                    await exchange.publish(aio_pika.Message(body, delivery_mode=2), key)
                for kind, body in [*_REJECTED, *((kind, json.dumps(job).encode()) for kind, job in _PARKED)]:
                    await _send_in(channel.default_exchange, kind, body)
                await _send_in(channel.default_exchange, JSON, json.dumps({**FOREIGN, "jobId": "good"}).encode())
                await asyncio.sleep(0.5)  # so that the rounds meet different batches
        good = Correction(("video", "poison"), "zoe", 1, "", "")
        harness.promises.expected.correct("good", good)
        await _reasons(harness, system)


async def _send_in(exchange: aio_pika.abc.AbstractExchange, kind: str, body: bytes) -> None:
    await exchange.publish(aio_pika.Message(body, type=kind, delivery_mode=2), "sharetally.in")


async def _reasons(harness: FaultHarness, system: System) -> None:
    """Each parked job says why."""
    said = await system.cli("dead", "list", "--json")
    reasons = {job["reason"] for job in said.json()}
    assert len(reasons) == len(_PARKED), reasons
    harness.note(f"{len(reasons)} reasons for parked jobs: {'; '.join(sorted(reasons))}")


ROW = Row(
    number=10,
    title="poison: not JSON, wrong shape, unknown version, huge",
    databases=SERVERS,
    perform=perform,
)
