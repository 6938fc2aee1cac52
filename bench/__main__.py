"""`python -m bench`: measure rows and their references, print the table, and write the page with `--write`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

from bench import page
from bench.harness import Options, open_harness
from bench.programs import find_program
from bench.report import entry, markdown_table, notes
from bench.rows import choose, discover_rows
from bench.run import run
from sharetally.adapters.logs import configure
from tests.services.server import Unavailable


def main() -> None:
    """Exit with 1 if a row failed; a target that is not met is a result, not a failure."""
    asked = _parser().parse_args()
    configure("warning", "console")
    try:
        wanted = choose(discover_rows(), full=asked.full, names=[name for name in asked.rows.split(",") if name])
        for program in ("wrk", "pgbench"):
            find_program(program)
        began = time.monotonic()
        with open_harness(_options(asked)) as harness:
            outcomes = uvloop.run(run(harness, wanted))
    except (Unavailable, ValueError) as error:
        sys.exit(f"bench: {error}")
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("bench: told to stop")
    print(f"all in {(time.monotonic() - began) / 60:.1f} minutes", file=sys.stderr)
    entries = [entry(outcome) for outcome in outcomes]
    print(f"{markdown_table(entries)}\n\n{notes(entries)}")
    if asked.json:
        asked.json.write_text(json.dumps(entries, indent=2) + "\n")
    if asked.write:
        page.write(entries, pairs=_options(asked).pairs)
    sys.exit(any(outcome.measured is None for outcome in outcomes))


def _parser() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, epilog=f"Rows: {', '.join(_names())}.")
    parser.add_argument("--full", action="store_true", help="all rows, five pairs, a minute where it says sustained")
    parser.add_argument("--rows", default="", metavar="NAME,…", help="only these")
    parser.add_argument("--pairs", type=int, help="how often each row is measured against its reference")
    parser.add_argument("--seconds", type=int, help="of each measurement")
    parser.add_argument("--sustained", type=int, help="seconds of those whose backlog must not grow")
    parser.add_argument("--records", type=int, default=defaults.records, help="in the large ledgers")
    parser.add_argument("--minutes", type=float, default=defaults.minutes, help="of load for the memory row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and what belongs to it")
    return parser


def _names() -> list[str]:
    return [row.name + (" (full)" if row.full else "") for row in discover_rows()]


def _options(asked: argparse.Namespace) -> Options:
    seconds = asked.seconds or (10 if asked.full else Options.seconds)
    return Options(
        full=asked.full,
        pairs=asked.pairs or (5 if asked.full else 3),
        seconds=seconds,
        sustained=asked.sustained or (60 if asked.full else 2 * seconds),
        records=asked.records,
        minutes=asked.minutes,
    )


if __name__ == "__main__":
    main()
