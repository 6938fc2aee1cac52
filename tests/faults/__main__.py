"""`make faults`: perform the rows, print the table, end with 1 if any of them failed.

`python -m tests.faults --rows 1,2 --on postgresql --json FILE --write docs/reliability.md --at-once 2`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.faults import document, scoreboard
from tests.faults.row import ALL, Row, discover_rows
from tests.faults.runner import SuitePlan, row_database_pairs, run
from tests.faults.scoreboard import Outcome
from tests.services import open_services


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected rows; 0 if every one passed."""
    asked = _parser().parse_args(arguments)
    folder = Path(asked.folder or tempfile.mkdtemp(prefix="sharetally-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"logs and journals: {folder}\n")
    with open_services() as services:
        plan = SuitePlan(
            pairs=row_database_pairs(_rows(asked.rows), asked.databases),
            services=services,
            folder=folder,
            seed=asked.seed,
            at_once=asked.at_once,
        )
        outcomes = uvloop.run(_run(plan, asked))
    sys.stdout.write(scoreboard.as_text(outcomes) + "\n")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    add = parser.add_argument
    add("--rows", type=_numbers, metavar="N,N,…", help="only these; default: all")
    add(
        "--on",
        dest="databases",
        type=_names,
        default=ALL,
        metavar="NAME,…",
        help=f"only these databases, of {', '.join(ALL)}",
    )
    add("--seed", type=int, default=1)
    add("--at-once", type=int, default=2, metavar="N", help="rows side by side; most of them wait")
    add("--json", type=Path, metavar="FILE", help="write the outcome there as well")
    add("--write", type=Path, metavar="PAGE", help="write the run into this page, between its markers")
    add("--folder", help="a new folder for logs, journals and data; default: a temporary one")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(row_run) for row_run in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(ALL):
        raise argparse.ArgumentTypeError(f"known are {', '.join(ALL)}")
    return names


def _rows(numbers: Sequence[int] | None) -> list[Row]:
    every = discover_rows()
    return [row for number, row in every.items() if numbers is None or number in numbers]


async def _run(plan: SuitePlan, asked: argparse.Namespace) -> list[Outcome]:
    began = time.monotonic()
    outcomes = await run(plan, _tell)
    about = await document.about(plan.services, seed=plan.seed, seconds=time.monotonic() - began)
    if asked.json:
        asked.json.write_text(scoreboard.as_json(outcomes, about))
    if asked.write:
        document.write(asked.write, outcomes, about, _rows(asked.rows))
    return outcomes


def _tell(outcome: Outcome) -> None:
    lines = [f"{outcome.row} on {outcome.database}: {outcome.verdict} after {outcome.seconds:.0f} s", *outcome.told()]
    sys.stderr.write("\n    ".join(lines) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
