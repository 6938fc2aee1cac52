"""A relay is killed after it stamped events and before it sent them, and after the broker's confirm.

The relay stamps `sent_at` before it publishes, so it does not have to record anything afterwards. If it is killed in
between, it leaves events that are stamped as sent but were not sent: they wait until another marker has passed, and
are then sent. If it is killed after the confirm, the events were sent, and whatever another relay sends again finds
its event burned.

In this row, the API cannot reach the broker, so only the relay sends. On SQLite, the relay sends the pending events
when the process starts, after it was killed while it was sending events.
"""

from __future__ import annotations

from tests.faults.dying import armed, deaths, dies, dies_again, revive
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.services.launch import free_port

STAMPED, CONFIRMED = "outbox.after-claim", "broker.after-confirm"
UNPUBLISHED = "broker.before-publish"
PATIENCE = 150.0  # seconds until the relay finds that events wait too long


async def perform(stage: Stage) -> None:
    await (_embedded if stage.database == "sqlite" else _apart)(stage)


async def _apart(stage: Stage) -> None:
    nobody = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    shape = stage.shape(each={**armed("relay-0", STAMPED, 1), "serve": {"BROKER_URL": nobody}})
    async with stage.open(shape) as system:
        relay = system.relays[0]
        async with stage.load(rate=100):
            await dies(relay, within=PATIENCE)
            for place in (CONFIRMED, STAMPED, CONFIRMED):
                await dies_again(relay, place, 1, within=PATIENCE)
            await revive(system, relay)
        stage.note(f"the relay was killed {deaths(relay)} times; nobody else sent anything")


async def _embedded(stage: Stage) -> None:
    stage.allow("NotSent", "NoAnswer")
    async with stage.open(stage.shape(each=armed("serve", UNPUBLISHED, 25))) as system, stage.load(seconds=20):
        serve = system.serve
        await dies(serve)  # and leaves events that were never in the queue
        for place in (STAMPED, CONFIRMED):
            await dies_again(serve, place, 1)
        await dies_again(serve, UNPUBLISHED, 25)
        await dies_again(serve, STAMPED, 1)
        await revive(system, serve)
        stage.note(f"killed {deaths(serve)} times, 3 of them while it sent the pending events at its start")


ROW = Row(number=4, title="relay killed before it sent, and after the confirm", on=ALL, perform=perform)
