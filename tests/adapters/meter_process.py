"""A process with a meter, told line by line what to count: for tests that need several.

Reads `["method", arguments…]` in JSON from standard input and answers each with a line; `scrape` answers
with the exposition.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.metrics import PrometheusMeter, open_meter
from tests.adapters.fakes import FakeOutbox


def obey(meter: PrometheusMeter, method: str, *told: object) -> str:
    if method == "scrape":
        body, _ = asyncio.run(meter.exposition(FakeOutbox(), MemoryBroker(), []))
        return body.decode()
    if method == "drift":
        told = (told[0], datetime.fromisoformat(str(told[1])))
    getattr(meter, method)(*told)
    return "done"


def main(directory: str, role: str) -> None:
    meter = open_meter(Path(directory), role, platforms=["twitter", "whatsapp"])
    for line in sys.stdin:
        print(json.dumps(obey(meter, *json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
