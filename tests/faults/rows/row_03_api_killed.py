"""The API is killed between a commit and its answers, and between a commit and its publishing.

The clients get no answer; their own audit says afterwards what happened. Events that nobody published wait in the
database, and the relay sends them. On SQLite, the single process is started again and sends everything.
"""

from __future__ import annotations

from tests.faults.failpoints import (
    count_deaths,
    failpoint_settings,
    kill_and_arm,
    restart_disarmed,
    restart_until_death,
    wait_for_death,
    wait_for_deaths,
)
from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row
from tests.oracle.system import System

UNANSWERED, UNPUBLISHED = "ledger.after-commit", "broker.before-publish"
TIMES = 3


async def perform(harness: FaultHarness) -> None:
    harness.allow("NotSent", "NoResponse")
    topology = harness.topology(each=failpoint_settings("serve", UNANSWERED, 25))
    async with harness.open(topology) as system, harness.load(seconds=30):
        await (_one_process if harness.database == "sqlite" else _many_processes)(system)
        harness.note(f"killed {count_deaths(system.serve)} times; a new process was started each time")


async def _one_process(system: System) -> None:
    serve = system.serve
    await wait_for_death(serve)
    for number in range(1, TIMES):
        await restart_until_death(serve, UNANSWERED, 15 * number)
    for number in range(1, TIMES + 1):
        await restart_until_death(serve, UNPUBLISHED, 15 * number)
    await restart_disarmed(system, serve)


async def _many_processes(system: System) -> None:
    """Each process that serves is armed, and so is the one that its parent starts in its place."""
    serve = system.serve
    await wait_for_deaths(serve, TIMES)
    await kill_and_arm(serve, UNPUBLISHED, 15)
    await wait_for_deaths(serve, count_deaths(serve) + TIMES)
    await serve.kill()
    await restart_disarmed(system, serve)


ROW = Row(
    number=3, title="API killed between commit and answer, between commit and publish", databases=ALL, perform=perform
)
