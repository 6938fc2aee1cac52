"""Fail points: armed by one variable, they kill the process at the named place and at no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.database import database_from_url
from sharetally.adapters.failpoints import ENVIRONMENT_VARIABLE, FAILPOINT_NAMES, failpoint_from, with_failpoints
from sharetally.domain.errors import ConfigurationError

_PASS_BY = """
import sys
from sharetally.adapters.failpoints import failpoint_from
point = failpoint_from({"SHARETALLY_FAILPOINT": sys.argv[1]})
for place in sys.argv[2:]:
    print(place, flush=True)
    point.reached(place)
"""


def passes(armed_at: str, *places: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _PASS_BY, armed_at, *places], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("name", FAILPOINT_NAMES)
def test_a_fail_point_kills_the_process_at_its_place_and_count(name: str) -> None:
    other = next(each for each in FAILPOINT_NAMES if each != name)
    assert passes(f"{name}:2", other, other, name, other, name, name) == (
        -signal.SIGKILL,
        [other, other, name, other, name],
    )


def test_a_fail_point_can_stop_the_process_until_it_is_continued() -> None:
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


def test_without_the_variable_fail_points_do_nothing() -> None:
    store, broker = database_from_url("sqlite:///never-opened.db"), MemoryBroker()
    assert with_failpoints(store, broker, {}) == (store, broker)
    assert with_failpoints(store, broker, {ENVIRONMENT_VARIABLE: ""}) == (store, broker)


@pytest.mark.parametrize(
    "value",
    ["ledger.after-commit", "ledger.after-commit:0", "ledger.after-commit:x", "ledger.after-commit:1:go", "there:1"],
)
def test_an_unknown_fail_point_stops_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SHARETALLY_FAILPOINT: must be NAME:N.*outbox\.after-claim"):
        failpoint_from({ENVIRONMENT_VARIABLE: value})
