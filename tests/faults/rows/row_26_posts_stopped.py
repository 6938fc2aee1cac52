"""Three of four workers are stopped (SIGSTOP) in the middle of a post for longer than their leases last, and then
continue: one right before the first byte, one after the platform's answer, one before it stores the outcome.

The fourth one takes over their leases, looks for their posts, and finishes them. When the three continue, the first one
sends what was already posted, which both platforms drop, and the outcomes of all three come too late and change
nothing.
"""

from __future__ import annotations

import asyncio
import signal

from tests.faults.failpoints import FAILPOINT, wait_until_stopped
from tests.faults.harness import FaultHarness
from tests.faults.posting.judge import PostingJudge
from tests.faults.posting.load import PostingLoad
from tests.faults.posting.servers import open_bluesky, open_mastodon
from tests.faults.row import POSTS, SERVERS, Row

PLACES = ("posting.before-send", "posting.after-reply", "posting.before-settle")
STOPPED_SECONDS = 150.0  # a lease lapses after a minute, and a list of posts is believed after another
LATENCY = 0.1  # seconds until the platform answers


async def perform(harness: FaultHarness) -> None:
    mastodon = await open_mastodon(harness)
    mastodon.fake.latency = LATENCY
    load = PostingLoad(harness=harness, servers=[mastodon, *open_bluesky(harness)])
    each = {f"worker-{number}": {FAILPOINT: f"{place}:9:stop"} for number, place in enumerate(PLACES)}
    topology = load.prepared(harness.topology(workers=len(PLACES) + 1, settings=load.settings(), each=each))
    async with harness.open(topology, PostingJudge(load=load)) as system:
        await load.connect(system)
        stopped = system.workers[: len(PLACES)]
        async with load.running(system):
            await asyncio.gather(*map(wait_until_stopped, stopped))
            began = asyncio.get_running_loop().time()
        await asyncio.sleep(began + STOPPED_SECONDS - asyncio.get_running_loop().time())
        for worker in stopped:
            worker.signal(signal.SIGCONT)
        async with load.running(system):
            await asyncio.sleep(10.0)
        late = sum(worker.log.read_text(errors="replace").count("late outcome ignored") for worker in stopped)
        assert late, "no worker was too late"
        harness.note(f"three workers were stopped for {STOPPED_SECONDS:.0f} s; {late} outcomes came too late")


ROW = Row(
    number=26,
    title="workers stopped in the middle of posts for longer than a lease, then continued",
    databases=SERVERS,
    perform=perform,
    timeout=900.0,
    chapter=POSTS,
)
