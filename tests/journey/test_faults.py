"""What goes wrong in a load, and must not be seen afterwards: killed workers, a broker away, messages again.

All of it on PostgreSQL and RabbitMQ; our connections to the broker go through a proxy that can be cut.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from random import Random

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

from tests.oracle.judge import judge
from tests.oracle.load import Load
from tests.oracle.run import Plan, run, verdict_on
from tests.oracle.system import Shape, System, open_system
from tests.oracle.tables import open_tables, waiting
from tests.oracle.tally import Journal
from tests.oracle.watch import Watch

pytestmark = pytest.mark.anyio

PROMISED = {"200", "201", "202", "204", "404", "422"}
TIMES = 5
SECONDS = 8.0
PATIENCE = 90.0  # seconds: the relay waits 30, and for a marker to come through


async def test_workers_killed_in_the_load(stack_shape: Shape, tmp_path: Path) -> None:
    plan = Plan(seconds=9, kill_worker_at=(2, 4, 6), patience=PATIENCE)
    verdict = await run(stack_shape, plan, tmp_path)
    assert verdict.passed, f"{verdict}\n{tmp_path}"


async def test_a_broker_away_in_the_load(stack_shape: Shape, tmp_path: Path) -> None:
    plan = Plan(seconds=10, cut_broker_at=2, cut_broker_for=5, patience=PATIENCE)
    verdict = await run(stack_shape, plan, tmp_path)
    assert verdict.passed, f"{verdict}\n{tmp_path}"
    assert verdict.outcomes.keys() <= PROMISED, verdict
    assert verdict.uncertain == 0


async def test_every_message_five_times_and_shuffled(stack_shape: Shape, tmp_path: Path) -> None:
    async with open_system(stack_shape, tmp_path) as system:
        for worker in system.workers:
            assert await worker.stop() == 0
        load, watch = Load(system), Watch(system)
        with Journal(tmp_path / "journal.jsonl") as journal:
            await load.run(SECONDS, journal)
        await deal_again(system)
        await system.start(*system.workers)
        findings = await judge(load, patience=PATIENCE)
        await watch.look()
        verdict = verdict_on(load, watch, findings, SECONDS)
        assert verdict.passed, f"{verdict}\n{tmp_path}"


async def deal_again(system: System) -> None:
    """Take every message from the queue, and put each back five times, in any order."""
    assert system.shape.broker is not None
    async with open_tables(system.database) as tables:
        pending, _ = await waiting(tables)
    connection = await aio_pika.connect_robust(system.shape.broker)
    async with connection:
        taken = await take(connection, pending)
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange("sharetally")
        cards = taken * TIMES
        Random(1).shuffle(cards)
        for start in range(0, len(cards), 500):
            sent = [
                exchange.publish(aio_pika.Message(card.body, delivery_mode=2), card.routing_key or "")
                for card in cards[start : start + 500]
            ]
            await asyncio.gather(*sent)
        await taken[-1].channel.basic_ack(taken[-1].delivery_tag or 0, multiple=True)


async def take(connection: AbstractRobustConnection, jobs: int) -> list[AbstractIncomingMessage]:
    """All messages, unacknowledged, once they hold as many jobs as are pending."""
    channel = await connection.channel()
    queue = await channel.get_queue("sharetally.count")
    deadline, taken, found = time.monotonic() + 30, list[AbstractIncomingMessage](), 0
    while found < jobs:
        assert time.monotonic() < deadline, f"{found} of {jobs} jobs came"
        message = await queue.get(fail=False)
        if message is None:
            await asyncio.sleep(0.05)
        else:
            taken.append(message)
            found += len(json.loads(message.body))
    return taken
