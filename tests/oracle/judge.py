"""The end of a run: find out what was uncertain, wait until all is counted, hold everything against the promises.

A write that got no answer may have happened or not; its own audit says which, by the request id that it bore.
"""

from __future__ import annotations

import asyncio
import time

from tests.oracle.client import Client
from tests.oracle.counts import compare_answers, compare_tables, shown
from tests.oracle.ledger import Compared, compare_ledger
from tests.oracle.promises import Promises
from tests.oracle.tables import Tables, open_tables, waiting
from tests.oracle.tally import Uncertain
from tests.oracle.verdict import Findings


async def judge(promises: Promises, *, patience: float) -> Findings:
    """Wait at most `patience` seconds until nothing is pending; then look at everything."""
    await _resolve(promises)
    async with open_tables(promises.system.database) as tables:
        settling = await settle(tables, patience)
        pending, parked = await waiting(tables)
        compared = Compared()
        await compare_ledger(tables, promises.expected, compared)
        miscounted = await compare_tables(tables, promises.expected)
    token = promises.user_token("judge")
    miscounted += await compare_answers(promises.system.port, token, shown(promises.expected), patience)
    return Findings(
        lost=tuple(compared.lost),
        duplicated=tuple(compared.duplicated),
        miscounted=tuple(miscounted),
        pending=pending,
        parked=parked,
        settling=settling,
    )


async def settle(tables: Tables, patience: float) -> float:
    """Wait until no event is pending, or patience ends; return how long it took, in seconds."""
    began = time.monotonic()
    while time.monotonic() < began + patience:
        if not (await waiting(tables))[0]:
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def _resolve(promises: Promises) -> None:
    with Client(promises.system.port) as client:
        for each in promises.tally.uncertain:
            await _resolve_one(promises, client, each)


async def _resolve_one(promises: Promises, client: Client, each: Uncertain) -> None:
    target = f"/audit?requestId={each.request_id}"
    answer = await client.ask("GET", target, token=promises.token(each.wish.user))
    assert answer.status == 200, answer
    items = answer.json()["items"]
    if items:
        each.wish.happened(promises.expected, items[0]["recordId"])
