"""The scoreboard in docs/reliability.md is what happens, and every cell of it is the truth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from tests.contracts.database_rows import open_empty_database
from tests.platforms.handling import open_bluesky
from tests.platforms.pds.server import PersonalDataServer
from tests.platforms.scoreboard import (
    BLUESKY,
    FAKES,
    NOT_SUCH,
    TROUBLES,
    WITHOUT_LOOK,
    Score,
    Trouble,
    documented,
    score,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as opened:
        yield opened


def check(found: Score | None, trouble: Trouble, platform: str) -> None:
    assert found is None or found.is_true(platform), found
    assert documented()[platform][trouble.name] == (NOT_SUCH if found is None else str(found))


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
@pytest.mark.parametrize("platform", FAKES)
async def test_the_record_says_what_is_on_the_server(db: SqlDatabase, platform: str, trouble: Trouble) -> None:
    check(await score(FAKES[platform], db, trouble, platform), trouble, platform)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
async def test_the_record_says_what_is_on_a_real_server(
    db: SqlDatabase, pds: PersonalDataServer, trouble: Trouble
) -> None:
    check(await score(partial(open_bluesky, pds), db, trouble, BLUESKY), trouble, BLUESKY)


@pytest.mark.parametrize(
    "wrong",
    [
        Score(status="success", error=None, copies=0),
        Score(status="success", error=None, copies=2),
        Score(status="failed", error="not-found", copies=1),
        Score(status="unknown", error=None, copies=2),
        Score(status="sending", error=None, copies=0),
    ],
    ids=str,
)
def test_a_cell_that_is_not_the_truth_is_noticed(wrong: Score) -> None:
    assert not any(wrong.is_true(platform) for platform in (*FAKES, BLUESKY))


def test_a_post_may_stay_unknown_only_where_nobody_can_look() -> None:
    unknown = Score(status="unknown", error=None, copies=1)
    assert [platform for platform in (*FAKES, BLUESKY) if unknown.is_true(platform)] == list(WITHOUT_LOOK)
