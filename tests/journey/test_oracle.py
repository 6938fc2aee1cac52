"""The oracle works: everything that can be wrong in a database or in an answer is reported as what it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.oracle.bounds import Bounds
from tests.oracle.client import Client
from tests.oracle.client_requests.share import Share, Withdraw
from tests.oracle.expected import Content
from tests.oracle.judge import judge
from tests.oracle.load import Load
from tests.oracle.system import Topology, open_system
from tests.oracle.tables import open_tables
from tests.oracle.tally import Journal
from tests.oracle.verdict import Findings
from tests.oracle.watch import VerificationWatch

pytestmark = pytest.mark.anyio

# The change to a table, the name under which it is reported, and whether `verify` must report it too.
_TAMPERED = (
    ("status = 'withdrawn' WHERE status = 'success'", "share_records", "lost", True),
    ("attempt_count = attempt_count + 1", "share_records", "lost", False),
    ("channel = 'elsewhere' WHERE deleted_at IS NULL", "share_links", "lost", True),
    ("user_id = user_id || '?'", "share_links", "lost", False),
    ("amount = amount + 1", "adjustments", "lost", True),
    ("shares = shares + 1", "share_totals", "miscounted", True),
    ("shares = shares - 1 WHERE dimension = 'campaign'", "share_counts", "miscounted", True),
    ("made = made + 1, withdrawn = withdrawn + 1", "share_rollups", "miscounted", False),
)
_ONE_MORE = (
    "INSERT INTO share_audit SELECT randomblob(16), at, subject_id, content_type, content_id, user_id, actor, action, "
    "platform, status, error_code, error_message, request_id FROM share_audit LIMIT 1"
)
NEVER: Content = ("video", "never shared")


@pytest.fixture
async def load(tmp_path: Path) -> AsyncIterator[Load]:
    """A load that is over, on a system that goes on."""
    async with open_system(Topology(), tmp_path) as system:
        load = Load(system, clients=4)
        with Journal(tmp_path / "journal.jsonl") as journal:
            await load.run(1.5, journal)
        yield load


def kinds(findings: Findings) -> set[str]:
    return {kind for kind in ("lost", "duplicated", "miscounted") if getattr(findings, kind)}


async def test_each_database_fault_is_reported(load: Load) -> None:
    findings = await judge(load, max_seconds=30)
    assert kinds(findings) == set(), findings
    async with open_tables(load.system.database) as tables:
        for change, table, kind, drifts in _TAMPERED:
            await tables.run(f"CREATE TEMP TABLE before AS SELECT * FROM {table}", f"UPDATE {table} SET {change}")
            watch = VerificationWatch(load.system)
            await watch.verify()
            assert kind in kinds(await judge(load, max_seconds=0)), change
            assert bool(watch.drifted) is drifts, f"{change}: {watch.drifted}"
            await tables.run(f"REPLACE INTO {table} SELECT * FROM before", "DROP TABLE before")
        await tables.run(_ONE_MORE)
    assert kinds(await judge(load, max_seconds=0)) == {"duplicated"}


async def test_a_wrong_response_is_reported(load: Load) -> None:
    token = load.user_token("zoe")
    with Client(load.system.port) as client:
        share = Share(load.expected, user="zoe", content=NEVER, platforms=["twitter"])
        withdraw = Withdraw(load.expected, user="zoe", content=NEVER, platform="twitter", by_video=True)
        first = await client.request(share.method, share.target, share.body, token=token)
        again = await client.request(share.method, share.target, share.body, token=token)
        taken = await client.request(withdraw.method, withdraw.target, token=token)
    assert share.fault(first) is None
    assert "alreadyShared" in str(share.fault(again))
    assert withdraw.fault(taken) == "404 expected, answered 204 "


def test_read_bounds_cover_overlapping_and_answered_writes() -> None:
    bounds = Bounds()
    bounds.begin({"hot": 1})
    bounds.settle({"hot": 1})
    bounds.begin({"hot": 2})
    with bounds.read_bounds("hot") as look, bounds.read_bounds("hot") as other:
        bounds.begin({"hot": -1})
        assert [look.allows(shown) for shown in range(-1, 5)] == [False, True, True, True, True, False]
    with bounds.read_bounds("hot") as alone:
        bounds.settle({"hot": 2})
        bounds.void({"hot": -1})
    with bounds.read_bounds("hot") as settled:
        assert [settled.allows(shown) for shown in range(5)] == [False, False, False, True, False]
    assert (other.low, other.high) == (look.low, look.high) == (alone.low, alone.high) == (0, 3)
