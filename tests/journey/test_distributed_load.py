"""A load from several processes: the results of all arrive, and what one process cannot know is checked afterwards."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.oracle.distributed_load import DistributedLoad, LoadSize
from tests.oracle.judge import judge
from tests.oracle.promises import Promises
from tests.oracle.shared_bounds import BoundsLog, SharedBounds, TimedRead, contradictions
from tests.oracle.system import Topology, open_system
from tests.oracle.verdict import Findings
from tests.oracle.world import HOT

pytestmark = pytest.mark.anyio


async def test_responses_of_every_process_are_collected(tmp_path: Path) -> None:
    async with open_system(Topology(), tmp_path) as system:
        promises = Promises(system)
        crowd = DistributedLoad(promises, folder=tmp_path, seed=3)
        for _ in range(2):
            async with crowd.load(2, LoadSize(processes=2, clients=3)):
                pass
        findings = await judge(promises, max_seconds=30)
    speakers = {user.rsplit("-", 1)[1] for _, _, user in promises.expected.records}
    assert len(speakers) == 12
    assert promises.tally.faults == 0, promises.tally.unexpected
    assert findings == replace(Findings(), settling=findings.settling)


async def test_a_failed_load_process_is_reported(tmp_path: Path) -> None:
    system = Topology(settings={"JWT_SECRET": "short"})
    async with open_system(Topology(), tmp_path) as running:
        promises = Promises(running)
        running.topology = system  # the crews sign with another secret: the service refuses everybody
        async with DistributedLoad(promises, folder=tmp_path, seed=1).load(1, LoadSize(processes=1, clients=2)):
            pass
    assert promises.tally.faults > 0


def test_reads_of_several_processes_are_checked_by_their_times() -> None:
    one = BoundsLog(begun=[(1.0, 1), (5.0, -1)], settled=[(2.0, 1)], void=[(6.0, -1)])
    one.join(BoundsLog(begun=[(3.0, 2)], settled=[(4.0, 2)]))
    cases = {(2.5, 2.9): {1}, (3.5, 4.5): {1, 3}, (4.5, 4.9): {3}, (5.5, 5.6): {2, 3}, (6.5, 7.0): {3}}
    for (began, ended), allowed in cases.items():
        for shown in range(5):
            one.glances = [TimedRead(began=began, ended=ended, shown=shown)]
            low, high = min(allowed), max(allowed)
            assert bool(contradictions("hot", one)) is not (low <= shown <= high), (began, shown)


def test_shared_contents_are_checked_later_and_own_contents_immediately() -> None:
    bounds = SharedBounds(lambda key: key == HOT)
    deltas: dict[Hashable, int] = {HOT: 1, "own": 1}
    bounds.begin(deltas)
    bounds.settle(deltas)
    with bounds.read_bounds(HOT) as hot, bounds.read_bounds("own") as own:
        assert hot.allows(17)
        assert own.allows(1)
        assert not own.allows(2)
    assert [glance.shown for glance in bounds.notes[HOT].glances] == [17]
    assert len(contradictions(HOT, bounds.notes[HOT])) == 1
