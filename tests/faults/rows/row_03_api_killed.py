"""The API is killed between a commit and its answers, and between a commit and its publishing.

The clients get no answer; their own audit says afterwards what happened. Events that nobody published wait in the
database, and the relay sends them. On SQLite, the single process is started again and sends everything.
"""

from __future__ import annotations

from tests.faults.dying import armed, deaths, died_anew, dies, dies_again, kill_and_arm, revive
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.oracle.system import System

UNANSWERED, UNPUBLISHED = "ledger.after-commit", "broker.before-publish"
TIMES = 3


async def perform(stage: Stage) -> None:
    stage.allow("NotSent", "NoAnswer")
    shape = stage.shape(each=armed("serve", UNANSWERED, 25))
    async with stage.open(shape) as system, stage.load(seconds=30):
        await (_one_process if stage.database == "sqlite" else _many_processes)(system)
        stage.note(f"killed {deaths(system.serve)} times; a new process was started each time")


async def _one_process(system: System) -> None:
    serve = system.serve
    await dies(serve)
    for number in range(1, TIMES):
        await dies_again(serve, UNANSWERED, 15 * number)
    for number in range(1, TIMES + 1):
        await dies_again(serve, UNPUBLISHED, 15 * number)
    await revive(system, serve)


async def _many_processes(system: System) -> None:
    """Each process that serves is armed, and so is the one that its parent starts in its place."""
    serve = system.serve
    await died_anew(serve, TIMES)
    await kill_and_arm(serve, UNPUBLISHED, 15)
    await died_anew(serve, deaths(serve) + TIMES)
    await serve.kill()
    await revive(system, serve)


ROW = Row(number=3, title="API killed between commit and answer, between commit and publish", on=ALL, perform=perform)
