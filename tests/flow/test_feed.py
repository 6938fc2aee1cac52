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
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import BrokerUnavailable
from sharetally.domain.event import Event, Job
from sharetally.flow.consumers.feed import Feed
from sharetally.flow.jobs import to_ref
from sharetally.flow.relay import Relay
from sharetally.ports import Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    adjusted_event,
    adjustment,
    created_event,
    database_url_for,
    deleted_event,
    insert_shares,
    link,
    links_by_id,
    moved_event,
    open_empty_database,
    record,
    write_rows,
)
from tests.flow.harness import (
    QUEUES,
    Harness,
    backdate_sent_events,
    open_channel,
    open_harness,
    receive_messages,
    run_in_background,
    run_workers,
    wait_until,
)
from tests.services.proxy import open_proxy

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
async def harness(db: SqlDatabase, amqp_url: str) -> AsyncIterator[Harness]:
    async with open_harness(db, AmqpBroker(amqp_url, feed=True)) as made:
        yield made


@pytest.fixture
async def listener(amqp_url: str, harness: Harness) -> AsyncIterator[AbstractChannel]:
    """An external service whose queue `heard` is bound to everything."""
    async with open_channel(amqp_url) as channel:
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        yield channel


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def feed(harness: Harness) -> Feed:
    return Feed(ledger=harness.db, events=harness.db.events, broker=harness.broker)


async def counted_and_told(harness: Harness, *events: Event) -> None:
    """Count these, and return the feed's messages."""
    async with run_workers(harness.worker(harness.count(feed=True)), harness.worker(feed(harness))):
        await harness.send(*events)
        await wait_until(lambda: _burned(harness, *events))
        await wait_until(harness.all_counted)


async def _burned(harness: Harness, *events: Event) -> bool:
    async with harness.db.transaction() as tx:
        return not await tx.take([event.id for event in events])


def document(message: DeliveredMessage) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message.body)
    return found


async def test_a_link_that_was_made(harness: Harness, listener: AbstractChannel) -> None:
    made = link(channel="mail", campaign="spring.2026", content=ARTICLE, user_id="bert")
    (event,) = await insert_shares(harness.db, made)
    await counted_and_told(harness, event)
    (message,) = await receive_messages(listener, "heard", 1)
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


async def test_how_a_message_is_addressed(harness: Harness, listener: AbstractChannel) -> None:
    (event,) = await insert_shares(harness.db, record())
    await counted_and_told(harness, event)
    (message,) = await receive_messages(listener, "heard", 1)
    properties = message.header.properties
    assert (message.exchange, message.routing_key) == ("sharetally.events", "share_created")
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert (properties.message_type, properties.message_id) == ("share_created", str(event.id))
    assert properties.app_id == "sharetally"
    assert properties.timestamp == datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC), "AMQP's times are whole seconds"


@on_sqlite
async def test_a_platform_is_its_records_channel(harness: Harness, listener: AbstractChannel) -> None:
    (event,) = await insert_shares(harness.db, record())
    await counted_and_told(harness, event)
    told = document((await receive_messages(listener, "heard", 1))[0])
    assert told["channelId"] == "twitter"
    assert "campaignId" not in told


async def test_exactly_the_jobs_that_were_counted(harness: Harness, listener: AbstractChannel) -> None:
    first, second = link(), link(deleted_at=AT)
    now = replace(first, channel="mail")
    line = adjustment(-3, reason="bots", channel="chat")
    made, born, gone = created_event(first), created_event(second), deleted_event(second)
    events = [made, born, gone, moved_event(now, first.cell), adjusted_event(line)]
    await write_rows(
        harness.db,
        Writes(new_links=links_by_id(now, second), adjustments={line.request_key: line}, events=events),
    )
    await counted_and_told(harness, *events, *events)
    told = {document(each)["jobId"]: each for each in await receive_messages(listener, "heard", 5)}
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
    assert (await harness.shares(), await harness.counts_match_ledger()) == (0, True)


@on_sqlite
async def test_the_published_count_is_the_one_after_its_batch(harness: Harness, listener: AbstractChannel) -> None:
    events = await insert_shares(harness.db, record(), record(user_id="bert"), record(user_id="cleo"))
    await counted_and_told(harness, *events)
    assert {document(each)["shareCount"] for each in await receive_messages(listener, "heard", 3)} == {3}


@on_sqlite
async def test_a_feed_without_listeners_is_fine(harness: Harness) -> None:
    (event,) = await insert_shares(harness.db, record())
    await counted_and_told(harness, event)
    assert await harness.pending() == 0


async def test_feed_messages_wait_while_the_broker_is_unavailable(db: SqlDatabase, amqp_url: str) -> None:
    (event,) = await insert_shares(db, record())
    async with open_proxy(amqp_url) as proxy, open_harness(db, AmqpBroker(proxy.url, feed=True)) as harness:
        await proxy.cut()
        await wait_until(lambda: _is_away(harness))
        await harness.count(feed=True).handle([to_ref(event)])
        assert await harness.pending() == 1
        await backdate_sent_events(db)
        relay = Relay(
            events=db.events,
            responses=db.responses,
            sessions=db.sessions,
            broker=harness.broker,
            queues=QUEUES,
            every=0.05,
        )
        async with (
            run_workers(harness.worker(feed(harness))),
            run_in_background(relay.run()),
            open_channel(amqp_url) as channel,
        ):
            await channel.queue_declare("heard", durable=True)
            await channel.queue_bind("heard", "sharetally.events", "share_created")
            await proxy.restore()
            (message,) = await receive_messages(channel, "heard", 1)
            await wait_until(harness.all_counted)
    assert document(message)["jobId"] == str(event.id)


async def test_events_that_could_not_be_published_are_not_burned(harness: Harness, amqp_url: str) -> None:
    (event,) = await insert_shares(harness.db, record())
    await harness.count(feed=True).handle([to_ref(event)])
    (told,) = await harness.db.events.claim([str(Job.SHARE_FEED)], None, 10)
    await harness.broker.close()
    with pytest.raises(BrokerUnavailable):
        await feed(harness).handle([told])
    assert await harness.pending() == 1


async def _is_away(harness: Harness) -> bool:
    return not harness.broker.connected


@on_sqlite
async def test_a_disabled_feed_publishes_nothing(harness: Harness, listener: AbstractChannel) -> None:
    events = await insert_shares(harness.db, record())
    async with run_workers(harness.worker(harness.count())):
        await harness.send(*events)
        await wait_until(harness.all_counted)
    assert (
        await harness.db.events.claim([str(Job.SHARE_FEED)], await harness.db.events.now() + timedelta(days=1), 10)
        == []
    )
