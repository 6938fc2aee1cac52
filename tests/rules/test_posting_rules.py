"""Posts, retries, withdrawals, refreshes and dying workers in any order: nothing is posted twice, and records are true.

The rounds are the same in every run; `SHARETALLY_TEST_RULES=N` runs N different rounds and prints the seed of a
failure, reduced to the fewest steps that still fail.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sharetally.adapters.migrations.runner import upgrade
from tests.rules.machine import ROUND
from tests.rules.posting.machine import run
from tests.rules.test_rules import seeds


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """An empty database at its head."""
    upgrade(f"sqlite:///{tmp_path}/template.db")
    return tmp_path / "template.db"


def test_whatever_happens_a_post_is_there_once_and_its_record_says_so(template: Path) -> None:
    rounds = seeds()
    machine = run(template, rounds, shorten="SHARETALLY_TEST_RULES" in os.environ)
    assert machine.ended == len(rounds) * ROUND
    assert machine.posted > machine.ended
