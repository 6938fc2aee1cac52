"""Reactions: their events are written with the count, and none of their faults reaches a share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import ConfigurationError
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.count import Count
from sharetally.flow.counting.reactions import Reaction, Reactions
from sharetally.flow.jobs import to_ref
from sharetally.flow.worker import JobResult
from sharetally.ports import Queue, Total
from sharetally.wiring import check_reactions
from tests.contracts.database_rows import (
    ARTICLE,
    DATABASES,
    VIDEO,
    database_url_for,
    insert_shares,
    link,
    open_empty_database,
    record,
)
from tests.flow.harness import RecordingMeter

pytestmark = pytest.mark.anyio

MAIL = "share_mail"
React = Callable[[Sequence[Event]], Sequence[Event]]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def mail_about(event: Event, job: str = MAIL) -> Event:
    return Event(id=new_id(), job=job, content=event.content, at=event.at, payload="hello")


def mail_about_each(counted: Sequence[Event]) -> Sequence[Event]:
    return [mail_about(event) for event in counted]


class Mail:
    """Lets mail follow, as `react` says."""

    jobs: tuple[str, ...] = (MAIL,)

    def __init__(self, react: React = mail_about_each, name: str = "mail"):
        self.name = name
        self.calls = 0
        self.totals: dict[ContentRef, int] = {}
        self._react = react

    def react(self, counted: Sequence[Event], totals: Mapping[ContentRef, Total]) -> Sequence[Event]:
        self.calls += 1
        self.totals |= {content: total.shares for content, total in totals.items()}
        return self._react(counted)


class CountingWithReactions:
    """A counter with reactions, and everything that it reports."""

    def __init__(self, db: SqlDatabase, *reactions: Reaction) -> None:
        self.db = db
        self.meter = RecordingMeter()
        self.published: list[Event] = []
        self.reactions = Reactions(reactions, meter=self.meter)
        self._count = Count(
            ledger=db,
            events=db.events,
            announcer=Announcer(counts=db.counts, cache=None),
            reactions=self.reactions,
            on_follow_up=self.published.extend,
            wants_results=lambda: True,
        )

    async def count(self, *events: Event) -> list[str]:
        results = await self._count.handle([to_ref(event) for event in events])
        assert all(isinstance(result, JobResult) for result in results)  # type: ignore[union-attr]
        return [result.outcome for result in results]  # type: ignore[union-attr]

    async def shares(self, content: ContentRef = VIDEO) -> int:
        return (await self.db.counts.stored([content]))[0].shares

    async def waiting(self) -> int:
        return (await self.db.events.backlog()).pending


async def test_follow_ups_are_written_with_the_count_and_published(db: SqlDatabase) -> None:
    mail = Mail()
    counting = CountingWithReactions(db, mail)
    events = await insert_shares(db, record(), record(user_id="bert"), link(content=ARTICLE))
    assert await counting.count(*events, events[0]) == ["counted"] * 3 + ["duplicate"]
    assert mail.totals == {VIDEO: 2, ARTICLE: 1}
    assert [event.job for event in counting.published] == [MAIL] * 3
    async with db.transaction() as tx:
        stored = await tx.take([event.id for event in counting.published])
    assert [(event.job, event.payload) for event in stored] == [(MAIL, "hello")] * 3
    assert await counting.count(*events) == ["duplicate"] * 3
    assert mail.calls == 1  # nothing was counted again, so nothing follows


async def test_each_job_may_follow_an_event_once(db: SqlDatabase) -> None:
    mail, second = Mail(), Mail(name="second mail")
    counting = CountingWithReactions(db, mail, second)
    await counting.count(*await insert_shares(db, record()))
    assert len(counting.published) == 2
    assert counting.meter.reaction_errors == []


def _raise(_: Sequence[Event]) -> Sequence[Event]:
    raise LookupError("no such mailbox")


def _same_id(counted: Sequence[Event]) -> Sequence[Event]:
    first = mail_about(counted[0])
    return [first, first]


BROKEN: dict[str, React] = {
    "raises": _raise,
    "more than one for an event": lambda counted: [mail_about(counted[0])] * (len(counted) + 1),
    "about something else": lambda counted: [mail_about(counted[0]._replace(content=ARTICLE))],
    "another's job": lambda counted: [mail_about(counted[0], job=Job.SHARE_FEED)],
    "a job that counts": lambda counted: [mail_about(counted[0], job=Job.SHARE_CREATED)],
    "moves a count": lambda counted: [mail_about(counted[0])._replace(delta=1)],
    "the same id twice": _same_id,
    "no events": lambda _: [None],  # type: ignore[list-item]
    "what no database stores": lambda counted: [mail_about(counted[0])._replace(payload="\ud800")],
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_reaction_is_switched_off_and_the_batch_is_counted(
    db: SqlDatabase, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, sound = Mail(BROKEN[fault], name="broken"), Mail()
    counting = CountingWithReactions(db, broken, sound)
    events = await insert_shares(db, record(), record(user_id="bert"))
    assert await counting.count(*events) == ["counted"] * 2
    assert (await counting.shares(), broken.calls) == (2, 1)
    assert counting.meter.reaction_errors == ["broken"]
    assert "reaction switched off" in capsys.readouterr().out
    assert [event.payload for event in counting.published] == ["hello"] * 2  # of the sound one
    assert await counting.waiting() == 2
    await counting.count(*await insert_shares(db, record(user_id="cora")))
    assert (await counting.shares(), broken.calls, sound.calls) == (3, 1, 2)
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()


@on_sqlite
async def test_without_an_enabled_reaction_no_event_leaves_the_database(
    db: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the last reaction is switched off, batches are counted at once again."""
    counting = CountingWithReactions(db, Mail(_raise))
    await counting.count(*await insert_shares(db, record()))
    assert not counting.reactions.enabled
    monkeypatch.setattr(Reactions, "write", None)
    assert await counting.count(*await insert_shares(db, record(user_id="bert"))) == ["counted"]


def test_a_reaction_without_a_consumer_for_its_events_is_refused() -> None:
    count, mail = Queue(name="count", jobs=("share_created",)), Queue(name="mail", jobs=(MAIL,))
    check_reactions([Mail()], [count, mail])
    with pytest.raises(ConfigurationError, match="the reaction mail returns events of the job share_mail"):
        check_reactions([Mail()], [count])
