"""The end of a run: resolve uncertain outcomes, wait until all is counted, and compare the state with the promises.

A write that got no answer may have happened or not; its own audit says which, by the request id that it bore.
"""

from __future__ import annotations

import asyncio
import time

from tests.oracle.client import Client
from tests.oracle.counts import compare_answers, compare_tables, shown_counts
from tests.oracle.ledger import Compared, compare_ledger
from tests.oracle.promises import Promises
from tests.oracle.tables import Tables, open_tables, pending_and_parked
from tests.oracle.tally import Uncertain
from tests.oracle.verdict import Findings


async def judge(promises: Promises, *, max_seconds: float) -> Findings:
    """Wait at most `max_seconds` seconds until nothing is pending; then look at everything."""
    await _resolve(promises)
    async with open_tables(promises.system.database) as tables:
        settling = await wait_until_counted(tables, max_seconds)
        pending, parked = await pending_and_parked(tables)
        compared = Compared()
        await compare_ledger(tables, promises.expected, compared)
        miscounted = await compare_tables(tables, promises.expected)
    token = promises.user_token("judge")
    miscounted += await compare_answers(promises.system.port, token, shown_counts(promises.expected), max_seconds)
    return Findings(
        lost=tuple(compared.lost),
        duplicated=tuple(compared.duplicated),
        miscounted=tuple(miscounted),
        pending=pending,
        parked=parked,
        settling=settling,
    )


async def wait_until_counted(tables: Tables, max_seconds: float) -> float:
    """Wait until no event is pending or the time is over; return how long it took, in seconds."""
    began = time.monotonic()
    while time.monotonic() < began + max_seconds:
        if not (await pending_and_parked(tables))[0]:
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def _resolve(promises: Promises) -> None:
    with Client(promises.system.port) as client:
        for each in promises.tally.uncertain:
            await _resolve_one(promises, client, each)


async def _resolve_one(promises: Promises, client: Client, each: Uncertain) -> None:
    target = f"/audit?requestId={each.request_id}"
    response = await client.request("GET", target, token=promises.token(each.operation.user))
    assert response.status == 200, response
    items = response.json()["items"]
    if items:
        each.operation.apply(promises.expected, items[0]["recordId"])
