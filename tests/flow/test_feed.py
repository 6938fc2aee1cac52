"""The outside feed: exactly the jobs that were counted, in the document's words, at least once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.errors import BrokerUnavailable
from sharetally.domain.event import Event, Job
from sharetally.flow.consumers.feed import Feed
from sharetally.flow.jobs import head_of
from sharetally.flow.relay import Relay
from sharetally.ports import Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    adjusted,
    adjustment,
    created,
    deleted,
    emptied,
    link,
    moved,
    of_links,
    record,
    share,
    shared_url,
    write,
)
from tests.flow.stage import QUEUES, Stage, channel_to, long_ago, running, staged, taken, until, working
from tests.services.proxy import open_proxy

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


@pytest.fixture
async def stage(db: SqlDatabase, amqp_url: str) -> AsyncIterator[Stage]:
    async with staged(db, AmqpBroker(amqp_url, feed=True)) as made:
        yield made


@pytest.fixture
async def listener(amqp_url: str, stage: Stage) -> AsyncIterator[AbstractChannel]:
    """A foreign service whose queue `heard` is bound to everything."""
    async with channel_to(amqp_url) as channel:
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        yield channel


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def feed(stage: Stage) -> Feed:
    return Feed(ledger=stage.db, outbox=stage.db, broker=stage.broker)


async def counted_and_told(stage: Stage, *events: Event) -> None:
    """Count these, and tell what follows."""
    async with working(stage.worker(stage.count(feed=True)), stage.worker(feed(stage))):
        await stage.send(*events)
        await until(lambda: _burned(stage, *events))
        await until(stage.counted)


async def _burned(stage: Stage, *events: Event) -> bool:
    async with stage.db.transaction() as tx:
        return not await tx.take([event.id for event in events])


def document(message: DeliveredMessage) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message.body)
    return found


async def test_a_link_that_was_made(stage: Stage, listener: AbstractChannel) -> None:
    made = link(channel="mail", campaign="spring.2026", content=ARTICLE, user_id="bert")
    (event,) = await share(stage.db, made)
    await counted_and_told(stage, event)
    (message,) = await taken(listener, "heard", 1)
    assert document(message) == {
        "jobId": str(event.id),
        "shareId": str(made.id),
        "contentType": "article",
        "contentId": "abc",
        "userId": "bert",
        "channelId": "mail",
        "campaignId": "spring.2026",
        "timestamp": "2026-11-20T12:34:56.123456Z",
        "version": 1,
        "shareCount": 1,
    }


async def test_how_a_message_is_addressed(stage: Stage, listener: AbstractChannel) -> None:
    (event,) = await share(stage.db, record())
    await counted_and_told(stage, event)
    (message,) = await taken(listener, "heard", 1)
    properties = message.header.properties
    assert (message.exchange, message.routing_key) == ("sharetally.events", "share_created")
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert (properties.message_type, properties.message_id) == ("share_created", str(event.id))
    assert properties.app_id == "sharetally"
    assert properties.timestamp == datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC), "AMQP's times are whole seconds"


@on_sqlite
async def test_a_platform_is_its_records_channel(stage: Stage, listener: AbstractChannel) -> None:
    (event,) = await share(stage.db, record())
    await counted_and_told(stage, event)
    told = document((await taken(listener, "heard", 1))[0])
    assert told["channelId"] == "twitter"
    assert "campaignId" not in told


async def test_exactly_the_jobs_that_were_counted(stage: Stage, listener: AbstractChannel) -> None:
    first, second = link(), link(deleted_at=AT)
    now = replace(first, channel="mail")
    line = adjustment(-3, reason="bots", channel="chat")
    made, born, gone = created(first), created(second), deleted(second)
    events = [made, born, gone, moved(now, first.cell), adjusted(line)]
    await write(
        stage.db,
        Writes(new_links=of_links(now, second), adjustments={line.request_key: line}, events=events),
    )
    await counted_and_told(stage, *events, *events)
    told = {document(each)["jobId"]: each for each in await taken(listener, "heard", 5)}
    assert {name: each.routing_key for name, each in told.items()} == {
        str(made.id): "share_created",
        str(born.id): "share_created",
        str(gone.id): "share_deleted",
        str(events[3].id): "share_updated",
        str(events[4].id): "share_count_update",
    }
    correction = document(told[str(events[4].id)])
    assert (correction["operation"], correction["amount"], correction["channelId"]) == ("decrement", 3, "chat")
    assert not {"operation", "amount"} & document(told[str(gone.id)]).keys()
    assert (await stage.shares(), await stage.proven()) == (0, True)


@on_sqlite
async def test_the_count_that_is_told_is_the_one_after_its_batch(stage: Stage, listener: AbstractChannel) -> None:
    events = await share(stage.db, record(), record(user_id="bert"), record(user_id="cleo"))
    await counted_and_told(stage, *events)
    assert {document(each)["shareCount"] for each in await taken(listener, "heard", 3)} == {3}


@on_sqlite
async def test_nobody_listening_is_fine(stage: Stage) -> None:
    (event,) = await share(stage.db, record())
    await counted_and_told(stage, event)
    assert await stage.pending() == 0


async def test_while_the_broker_is_away_what_is_to_be_told_waits(db: SqlDatabase, amqp_url: str) -> None:
    (event,) = await share(db, record())
    async with open_proxy(amqp_url) as proxy, staged(db, AmqpBroker(proxy.url, feed=True)) as stage:
        await proxy.cut()
        await until(lambda: _is_away(stage))
        await stage.count(feed=True).handle([head_of(event)])
        assert await stage.pending() == 1
        await long_ago(db)
        relay = Relay(outbox=db, schema=db, broker=stage.broker, queues=QUEUES, every=0.05)
        async with working(stage.worker(feed(stage))), running(relay.run()), channel_to(amqp_url) as channel:
            await channel.queue_declare("heard", durable=True)
            await channel.queue_bind("heard", "sharetally.events", "share_created")
            await proxy.mend()
            (message,) = await taken(channel, "heard", 1)
            await until(stage.counted)
    assert document(message)["jobId"] == str(event.id)


async def test_what_could_not_be_told_is_not_burned(stage: Stage, amqp_url: str) -> None:
    (event,) = await share(stage.db, record())
    await stage.count(feed=True).handle([head_of(event)])
    (told,) = await stage.db.claim([str(Job.SHARE_FEED)], None, 10)
    await stage.broker.close()
    with pytest.raises(BrokerUnavailable):
        await feed(stage).handle([told])
    assert await stage.pending() == 1


async def _is_away(stage: Stage) -> bool:
    return not stage.broker.connected


@on_sqlite
async def test_off_nothing_is_told(stage: Stage, listener: AbstractChannel) -> None:
    events = await share(stage.db, record())
    async with working(stage.worker(stage.count())):
        await stage.send(*events)
        await until(stage.counted)
    assert await stage.db.claim([str(Job.SHARE_FEED)], await stage.db.now() + timedelta(days=1), 10) == []
