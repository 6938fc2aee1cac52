"""The consumer in the page about hooks does what the page says, also with messages that nobody should have sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from tests.contracts.database_rows import open_empty_database
from tests.docs.pages import DOCS, blocks
from tests.flow.harness import VIDEO, Harness, open_harness

pytestmark = pytest.mark.anyio
PAGE = DOCS / "how-to" / "hooks.md"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """What the page's example defines."""
    (code,) = [block.text for block in blocks(PAGE) if block.info == "python" and "class Mail" in block.text]
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102
    return names


@pytest.fixture
async def harness(tmp_path: Path, example: dict[str, Any]) -> AsyncIterator[Harness]:
    hooks = [example["QueueMail"]()]
    async with (
        open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as db,
        open_harness(db, MemoryBroker(), hooks=hooks) as made,
    ):
        yield made


async def test_a_share_brings_its_mail_and_handling_it_burns_the_event(
    harness: Harness, example: dict[str, Any]
) -> None:
    mail = example["Mail"](ledger=harness.db, events=harness.db.events, broker=harness.broker, clock=harness.clock)
    await harness.share("anna")
    heads = await harness.db.events.claim(mail.queue.jobs, None, 10)
    assert [head.content for head in heads] == [VIDEO]
    assert [result.outcome for result in await mail.handle(heads)] == ["done"]
    assert [result.outcome for result in await mail.handle(heads)] == ["duplicate"]
    assert await harness.pending() == 1, "the share itself is still to be counted"


async def test_a_message_that_names_a_share_s_event_leaves_that_event_alone(
    harness: Harness, example: dict[str, Any]
) -> None:
    mail = example["Mail"](ledger=harness.db, events=harness.db.events, broker=harness.broker, clock=harness.clock)
    await harness.share("anna")
    (counts,) = await harness.db.events.claim(["share_created"], None, 10)
    forged = counts._replace(job="share_mail")
    assert [result.outcome for result in await mail.handle([forged])] == ["duplicate"]
    assert await harness.counts_match_ledger()
    await harness.count().handle([counts])
    assert await harness.shares() == 1
