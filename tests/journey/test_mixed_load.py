"""Six seconds of everything at once, on each kind of system: every answer kept, every count exact, no drift."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.run import Plan, run
from tests.oracle.system import Topology

pytestmark = pytest.mark.anyio


async def test_a_mixed_load_is_counted_exactly(topology: Topology, tmp_path: Path) -> None:
    verdict = await run(topology, Plan(seconds=6, clients=32), tmp_path)
    assert verdict.passed, f"{verdict}\n{tmp_path}"
    assert verdict.uncertain == 0
