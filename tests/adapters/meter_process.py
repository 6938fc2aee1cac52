"""A process with a meter that counts what it is sent line by line, for tests that need several processes.

It prints `"ready"`, then reads `["method", arguments…]` as JSON from standard input and answers each line with a line
of JSON; the answer to `scrape` is the exposition.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from sharetally.adapters.logs import configure
from sharetally.adapters.metrics import PrometheusMeter, open_meter
from tests.adapters.fakes import scrape


def apply_command(meter: PrometheusMeter, method: str, *told: Any) -> str:
    match method:
        case "scrape":
            return asyncio.run(scrape(meter))
        case "drift":
            meter.drift(told[0], datetime.fromisoformat(told[1]))
        case _:
            getattr(meter, method)(*told)
    return "done"


def main(directory: str, role: str) -> None:
    configure("error", "json")  # standard output is for answers
    meter = open_meter(Path(directory), role, platforms=["twitter"])
    print(json.dumps("ready"), flush=True)  # noqa: T201
    for line in sys.stdin:
        print(json.dumps(apply_command(meter, *json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
