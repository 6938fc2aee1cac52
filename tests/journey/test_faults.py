"""What goes wrong in a load, and must not be seen afterwards: killed workers, a broker away, messages again.

All of it on PostgreSQL and RabbitMQ; our connections to the broker go through a proxy that can be cut.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.run import Plan, run
from tests.oracle.system import Topology

pytestmark = pytest.mark.anyio

PROMISED = {"200", "201", "202", "204", "404", "422"}
TIMEOUT = 90.0  # seconds: the relay waits 30, and for a marker to come through


async def test_workers_killed_and_a_broker_away_in_the_load(stack_topology: Topology, tmp_path: Path) -> None:
    """Killed before it is away, and after it came back."""
    plan = Plan(seconds=8, kill_worker_at=(0.5, 1.5, 6), cut_broker_at=3, cut_broker_for=2.5, max_seconds=TIMEOUT)
    verdict = await run(stack_topology, plan, tmp_path)
    assert verdict.passed, f"{verdict}\n{tmp_path}"
    assert verdict.outcomes.keys() <= PROMISED, verdict
    assert verdict.uncertain == 0
