"""Jobs, queues, outcomes and tables are documented as they are."""

from __future__ import annotations

import pytest

from sharetally.adapters.databases.tables import metadata
from sharetally.domain.event import COUNTED, Job
from sharetally.domain.share import Action
from sharetally.flow.consumers.count import Count
from sharetally.flow.consumers.feed import Feed
from sharetally.flow.consumers.inbound import Inbound
from sharetally.flow.consumers.post import Post
from tests.docs.pages import REFERENCE, codes, prose, rows

OWNERS = (Count, Post, Inbound, Feed)


def test_every_job_with_its_owner() -> None:
    told = {codes(row[0])[0]: codes(row[2])[0] for row in rows(REFERENCE / "events.md", under="## Jobs")}
    assert told == {job: owner.queue.name for owner in OWNERS for job in owner.queue.jobs}
    assert set(told) == set(Job)
    assert set(Count.queue.jobs) == COUNTED


def test_every_queue() -> None:
    told = codes(prose(REFERENCE / "events.md"))
    assert {f"sharetally.{owner.queue.name}" for owner in OWNERS} <= set(told)


def test_every_action_of_the_audit() -> None:
    table = [row for row in rows(REFERENCE / "http.md", under="## Audit and tokens") if len(row) == 2]
    assert {code for row in table for code in codes(row[0])} == set(Action)


@pytest.mark.parametrize("table", metadata.tables)
def test_every_table_with_its_columns(table: str) -> None:
    (row,) = [row for row in rows(REFERENCE / "data.md") if codes(row[0])[:1] == [table]]
    assert {column.name for column in metadata.tables[table].columns} <= set(codes(row[2]))
