"""The stage on which the flow is tried: a database at the head, a broker, and the parts that run over them.

Nothing here waits for time to pass: `wait_until` waits for a condition, `backdate_sent_events` sets send times back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases import tables
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Unavailable
from sharetally.domain.event import Event
from sharetally.domain.share import Trigger
from sharetally.flow.adjustments import Adjustments
from sharetally.flow.committer import Committer
from sharetally.flow.consumers.feed import Feed, FeedReaction
from sharetally.flow.consumers.inbound import Inbound
from sharetally.flow.consumers.post import Post
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.count import Count
from sharetally.flow.counting.reactions import Reactions
from sharetally.flow.delivery.attempt import Attempts
from sharetally.flow.delivery.handler import Handler
from sharetally.flow.delivery.loop import DeliveryLoop
from sharetally.flow.delivery.nudge import QUEUE as DELIVERIES
from sharetally.flow.delivery.nudge import Nudge
from sharetally.flow.hooks import Hooks
from sharetally.flow.jobs import to_messages, to_ref
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.publisher import Publisher
from sharetally.flow.queries import Queries
from sharetally.flow.share_commands import Share
from sharetally.flow.worker import Consumer, Worker
from sharetally.ports import Broker, CountStore, EventStore, Meter, ResponseStore, SessionStore

TIMEOUT = 30.0  # seconds; only a fault takes this long
QUEUES = (Count.queue, Post.queue, Inbound.queue, Feed.queue, DELIVERIES)
VIDEO = ContentRef(type="video", id="abc")


class RecordingMeter(Meter):
    """Remembers how many jobs had which outcome, and how many commands each commit had."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.reaction_errors: list[str] = []

    def shares(self, platform: str, mode: str, status: str, number: int = 1) -> None:
        """Not looked at."""

    def share_error(self, platform: str, reason: str) -> None:
        """Not looked at."""

    def batch(self, size: int) -> None:
        """Kept."""
        self.batches.append(size)

    def statement(self, name: str, seconds: float) -> None:
        """Not looked at."""

    def delivery(self, kind: str, seconds: float) -> None:
        """Not looked at."""

    def reaction_error(self, reaction: str) -> None:
        """Kept."""
        self.reaction_errors.append(reaction)

    def job(self, job: str, outcome: str, seconds: float, number: int = 1) -> None:
        """Counted by name and outcome."""
        self.jobs[job, outcome] += number

    def outcomes(self) -> Counter[str]:
        """The number of jobs by outcome."""
        found: Counter[str] = Counter()
        for (_, outcome), number in self.jobs.items():
            found[outcome] += number
        return found


@dataclass(kw_only=True)
class Harness:
    """The parts of all roles in one process."""

    db: SqlDatabase
    broker: Broker
    clock: DatabaseClock
    committer: Committer
    publisher: Publisher
    meter: RecordingMeter = field(default_factory=RecordingMeter)

    def count(self, *, feed: bool = False) -> Count:
        """The counter, without a cache."""
        announcer = Announcer(counts=self.db.counts, cache=None)
        reactions = Reactions([FeedReaction()] if feed else [], meter=self.meter)
        return Count(
            ledger=self.db,
            events=self.db.events,
            announcer=announcer,
            reactions=reactions,
            on_follow_up=self.publisher.take,
        )

    def inbound(self) -> Inbound:
        """The worker for jobs from other services."""
        adjustments = Adjustments(committer=self.committer)
        return Inbound(ledger=self.db, events=self.db.events, adjustments=adjustments, clock=self.clock)

    def worker(self, consumer: Consumer[Any]) -> Worker[Any]:
        """A worker of this consumer."""
        return Worker(broker=self.broker, events=self.db.events, consumer=consumer, meter=self.meter)

    def deliveries(self, *handlers: Handler) -> DeliveryLoop:
        """The delivery loop: it delivers posts, unless handlers are given."""
        on_committed = self.publisher.take
        attempts = Attempts(ledger=self.db, clock=self.clock, meter=self.meter, on_committed=on_committed)
        wanted = handlers or (
            PostHandler(ledger=self.db, posts=self.db.posts, deliveries=self.db.deliveries, clock=self.clock),
        )
        return DeliveryLoop(store=self.db.deliveries, broker=self.broker, attempts=attempts, handlers=wanted)

    async def share(self, user: str, content: ContentRef = VIDEO, *platforms: str) -> None:
        """One request through the committer."""
        caller = Caller(user_id=user, actor=user, scopes=frozenset({"shares"}))
        named = platforms or ("twitter",)
        await self.committer.submit(
            Share(content=content, caller=caller, platforms=named, trigger=Trigger.DECLARE, request_id=f"by-{user}")
        )

    async def send(self, *events: Event) -> None:
        """Publish these events as the publisher would."""
        await self.broker.publish(list(to_messages(map(to_ref, events))))

    async def pending(self) -> int:
        """The number of events that are neither counted nor parked."""
        return (await self.db.events.backlog()).pending

    async def all_counted(self) -> bool:
        """Whether nothing is pending any more."""
        return await self.pending() == 0

    async def counts_match_ledger(self) -> bool:
        """Whether counts and ledger agree in every cell."""
        return (await self.db.proof.verify(None, lambda _: None)).drifted == ()

    async def shares(self, content: ContentRef = VIDEO) -> int:
        """The stored count."""
        return (await self.db.counts.stored([content]))[0].shares


@asynccontextmanager
async def open_harness(db: SqlDatabase, broker: Broker, *, hooks: Sequence[object] = ()) -> AsyncIterator[Harness]:
    """The parts with this database and broker; committer and publisher are running."""
    clock, publisher, meter = DatabaseClock(), Publisher(broker), RecordingMeter()
    await clock.measure(db.events)
    await broker.open(QUEUES)
    told = Hooks(hooks, seconds=TIMEOUT)  # a busy machine is no slow hook
    nudge = Nudge(broker)
    committer = Committer(
        ledger=db, clock=clock, hooks=told, meter=meter, on_committed=publisher.take, nudge=nudge.send
    )
    async with run_in_background(committer.run(), publisher.run(), nudge.run()):
        try:
            yield Harness(db=db, broker=broker, clock=clock, committer=committer, publisher=publisher, meter=meter)
        finally:
            await broker.close()


@asynccontextmanager
async def run_in_background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these while the test runs; if one fails, the test fails."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    for fault in done:
        if isinstance(fault, Exception):
            raise fault


@asynccontextmanager
async def run_workers(*workers: Worker[Any] | DeliveryLoop) -> AsyncIterator[asyncio.Event]:
    """Run these workers while the test runs and stop them at its end; the event stops them earlier."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(TIMEOUT):
            done = await asyncio.gather(*tasks, return_exceptions=True)
    for fault in done:
        if isinstance(fault, Exception):
            raise fault


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(TIMEOUT):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def make_broker(url: str, *, feed: bool = True) -> Broker:
    """The broker at this URL."""
    return MemoryBroker() if url == "memory:" else AmqpBroker(url, feed=feed)


async def backdate_sent_events(db: SqlDatabase, seconds: float = 60.0) -> None:
    """Set all send times back, as if so much time had passed."""
    then = await db.events.now() - timedelta(seconds=seconds)
    async with db._engine.write_transaction() as connection:
        await connection.run(tables.events.update().values(sent_at=then))


def queries_of_counts(counts: CountStore) -> Queries:
    """Queries over these counts, without a cache; there are no links and no shares."""
    nothing = cast(Any, SimpleNamespace(targets=None))
    return Queries(counts=counts, links=nothing, shares=nothing, cache=None)


class FutureDatabase:
    """The database of a later day, `by` ahead of the real one; while `away` its events do not answer."""

    def __init__(self, db: SqlDatabase) -> None:
        self._db = db
        self.by = timedelta()
        self.away = False
        self.asked = 0

    @property
    def events(self) -> EventStore:
        """Itself: what is not overridden below comes from the real store."""
        return cast(EventStore, self)

    @property
    def responses(self) -> ResponseStore:
        """The real ones."""
        return self._db.responses

    @property
    def sessions(self) -> SessionStore:
        """The real ones."""
        return self._db.sessions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db.events, name)

    async def now(self) -> datetime:
        """Later."""
        return await self._db.events.now() + self.by

    async def has_unburned_older_than(self, seconds: float) -> bool:
        """What waited so long by then."""
        self.asked += 1
        if self.away:
            raise Unavailable("the database is away")
        return await self._db.events.has_unburned_older_than(seconds - self.by.total_seconds())


# RabbitMQ as others use it


@asynccontextmanager
async def open_channel(url: str) -> AsyncIterator[AbstractChannel]:
    """A foreign service's channel."""
    async with AsyncExitStack() as stack:
        connection = await aiormq.connect(url)
        stack.push_async_callback(connection.close)
        yield await connection.channel()


async def receive_messages(channel: AbstractChannel, queue: str, number: int) -> list[DeliveredMessage]:
    """Exactly so many messages of a queue."""
    found: list[DeliveredMessage] = []
    come = asyncio.Event()

    async def on_message(message: DeliveredMessage) -> None:
        found.append(message)
        come.set()

    await channel.basic_consume(queue, on_message, no_ack=True)
    async with asyncio.timeout(TIMEOUT):
        while len(found) < number:
            come.clear()
            await come.wait()
    return found
