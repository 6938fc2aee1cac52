"""Fail points: armed by one variable, they kill the process at the named place and at no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.store import database
from sharetally.adapters.failpoints import NAMES, VARIABLE, armed, placed
from sharetally.domain.errors import Misconfigured

_PASS_BY = """
import sys
from sharetally.adapters.failpoints import armed
point = armed({"SHARETALLY_FAILPOINT": sys.argv[1]})
for place in sys.argv[2:]:
    print(place, flush=True)
    point.reached(place)
"""


def passes(armed_at: str, *places: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _PASS_BY, armed_at, *places], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("name", NAMES)
def test_it_dies_where_it_was_told_and_when(name: str) -> None:
    other = next(each for each in NAMES if each != name)
    assert passes(f"{name}:2", other, other, name, other, name, name) == (
        -signal.SIGKILL,
        [other, other, name, other, name],
    )


def test_it_stands_still_where_it_was_told_until_it_may_go_on() -> None:
    command = [
        sys.executable,
        "-c",
        _PASS_BY,
        "ledger.before-commit:1:stop",
        "ledger.before-commit",
        "outbox.after-claim",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out.split()) == (0, ["ledger.before-commit", "outbox.after-claim"])


def test_without_the_variable_nothing_stands_in_between() -> None:
    store, broker = database("sqlite:///never-opened.db"), MemoryBroker()
    assert placed(store, broker, {}) == (store, broker)
    assert placed(store, broker, {VARIABLE: ""}) == (store, broker)


@pytest.mark.parametrize(
    "value",
    ["ledger.after-commit", "ledger.after-commit:0", "ledger.after-commit:x", "ledger.after-commit:1:go", "there:1"],
)
def test_a_place_that_does_not_exist_stops_the_start(value: str) -> None:
    with pytest.raises(Misconfigured, match=r"SHARETALLY_FAILPOINT: must be NAME:N.*outbox\.after-claim"):
        armed({VARIABLE: value})
