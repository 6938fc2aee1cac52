"""A relay is killed after it stamped events and before it sent them, and after the broker's confirm.

The relay stamps `sent_at` before it publishes, so it does not have to record anything afterwards. If it is killed in
between, it leaves events that are stamped as sent but were not sent: they wait until another marker has passed, and
are then sent. If it is killed after the confirm, the events were sent, and whatever another relay sends again finds
its event burned.

In this row, the API cannot reach the broker, so only the relay sends. On SQLite, the relay sends the pending events
when the process starts, after it was killed while it was sending events.
"""

from __future__ import annotations

from tests.faults.failpoints import (
    count_deaths,
    failpoint_settings,
    restart_disarmed,
    restart_until_death,
    wait_for_death,
)
from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row
from tests.services.launch import free_port

STAMPED, CONFIRMED = "outbox.after-claim", "broker.after-confirm"
UNPUBLISHED = "broker.before-publish"
TIMEOUT = 150.0  # seconds until the relay finds that events wait too long


async def perform(harness: FaultHarness) -> None:
    await (_embedded if harness.database == "sqlite" else _apart)(harness)


async def _apart(harness: FaultHarness) -> None:
    nobody = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    topology = harness.topology(each={**failpoint_settings("relay-0", STAMPED, 1), "serve": {"BROKER_URL": nobody}})
    async with harness.open(topology) as system:
        relay = system.relays[0]
        async with harness.load(rate=100):
            await wait_for_death(relay, max_seconds=TIMEOUT)
            for place in (CONFIRMED, STAMPED, CONFIRMED):
                await restart_until_death(relay, place, 1, max_seconds=TIMEOUT)
            await restart_disarmed(system, relay)
        harness.note(f"the relay was killed {count_deaths(relay)} times; nobody else sent anything")


async def _embedded(harness: FaultHarness) -> None:
    harness.allow("NotSent", "NoResponse")
    async with (
        harness.open(harness.topology(each=failpoint_settings("serve", UNPUBLISHED, 25))) as system,
        harness.load(seconds=20),
    ):
        serve = system.serve
        await wait_for_death(serve)  # and leaves events that were never in the queue
        for place in (STAMPED, CONFIRMED):
            await restart_until_death(serve, place, 1)
        await restart_until_death(serve, UNPUBLISHED, 25)
        await restart_until_death(serve, STAMPED, 1)
        await restart_disarmed(system, serve)
        harness.note(f"killed {count_deaths(serve)} times, 3 of them while it sent the pending events at its start")


ROW = Row(number=4, title="relay killed before it sent, and after the confirm", databases=ALL, perform=perform)
