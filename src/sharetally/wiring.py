"""Names the concrete classes, for every role: settings in, running roles out. `wiring_http.py` adds what serves.

`Core` is what every role has: database, broker, cache, clock, meter, hooks, committer, publisher. A role
adds its tasks. Whatever is started here is stopped here, in the opposite order: first no more work is
taken, then what is in hand is finished, then connections are given back.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import structlog

from sharetally.adapters import platforms
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.caches.memory import MemoryCache
from sharetally.adapters.caches.none import NoCache
from sharetally.adapters.channels.memory import MemoryChannel
from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.database import database_from_url
from sharetally.adapters.failpoints import with_failpoints
from sharetally.adapters.failpoints_posting import arm_publishers, ledger_of_outcomes
from sharetally.adapters.metrics import PrometheusMeter, open_meter
from sharetally.adapters.migrations import HEAD
from sharetally.adapters.tracing import Tracing, open_tracing
from sharetally.domain.errors import ConfigurationError, SharetallyError
from sharetally.domain.event import COUNTED
from sharetally.flow.adjustments import Adjustments
from sharetally.flow.consumers.feed import Feed, FeedReaction
from sharetally.flow.consumers.inbound import Inbound
from sharetally.flow.consumers.post import Post
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.count import Count
from sharetally.flow.counting.reactions import Reaction, Reactions
from sharetally.flow.delivery.attempt import Attempts
from sharetally.flow.delivery.handler import Handler
from sharetally.flow.delivery.loop import DeliveryLoop
from sharetally.flow.delivery.nudge import QUEUE as DELIVERIES
from sharetally.flow.delivery.nudge import Nudge
from sharetally.flow.hooks import Hooks
from sharetally.flow.live import Live
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.publisher import Publisher
from sharetally.flow.queries import Queries
from sharetally.flow.relay import Relay
from sharetally.flow.worker import Consumer, Worker
from sharetally.ports import BacklogReport, Broker, Cache, Channel, ClosedGate, Platform, Queue
from sharetally.ports.outbound import Outbound
from sharetally.ports.posting_platform import version_of
from sharetally.settings import Settings, sqlite_path
from sharetally.web.ops import Health
from sharetally.wiring_accounts import AccountServices, create_account_services
from sharetally.wiring_posting import Publishers, create_publishers, create_spending, posting_outbound

HOOKS_GROUP = "sharetally.hooks"
CONSUMERS_GROUP = "sharetally.consumers"
REACTIONS_GROUP = "sharetally.reactions"
DRAIN_SECONDS = 5.0
CLOCK_SYNC_SECONDS = 30.0
MAX_CLOCK_SKEW = timedelta(hours=36)
ZERO = timedelta()
log = structlog.get_logger("sharetally")


class Core:
    """What every role has; an async context manager."""

    def __init__(
        self, settings: Settings, *, role: str, metrics: Path | None = None, traces: Tracing | None = None
    ) -> None:
        self.settings = settings
        self.traces = traces or open_tracing(settings.traces, role=role)
        self.database, bare_broker = with_failpoints(
            database_from_url(settings.database_url), create_broker(settings), os.environ
        )
        self.ledger = self.traces.ledger(self.database)
        self.broker = self.traces.broker(bare_broker)
        self.cache = create_cache(settings)
        self.channel = create_channel(settings)
        self.clock = DatabaseClock()
        self.meter: PrometheusMeter = open_meter(
            metrics,
            role,
            platforms=dict.fromkeys((*settings.share_platforms, *platforms.DEVICE_PLATFORMS)),
            jobs=_external_jobs(),
        )
        self.hooks = Hooks(
            [_instantiate(entry.load()) for entry in sorted(entry_points(group=HOOKS_GROUP), key=lambda e: e.name)]
        )
        self.publisher = Publisher(self.broker)
        self.nudge = Nudge(self.broker)
        self.committer = self.traces.committer(
            ledger=self.ledger,
            clock=self.clock,
            hooks=self.hooks,
            meter=self.meter,
            on_committed=self.publisher.take,
            nudge=self.nudge.send,
        )
        self.adjustments = Adjustments(committer=self.committer)
        self.queries = Queries(
            counts=self.database.counts, links=self.database.links, shares=self.database.shares, cache=self.cache
        )
        self.live = Live(
            channel=self.channel,
            queries=self.queries,
            counts=self.database.counts,
            clock=self.clock,
            max_clients=settings.live_clients,
            on_client_count=self.meter.live,
        )
        self.spending = create_spending(settings, self.database.spending, self.clock)
        self._serves_live_counts = role == "serve"
        self.reactions = Reactions(create_reactions(settings), meter=self.meter)
        self.consumers = self._create_consumers()
        check_reactions(self.reactions.enabled, [consumer.queue for consumer in self.consumers])
        self.queues: Sequence[Queue] = [*(consumer.queue for consumer in self.consumers), DELIVERIES]
        self.health = Health(
            self.database.schema,
            self.broker,
            self.cache or NoCache(),
            known_revision=HEAD.__eq__,
            ahead=HEAD.__lt__,
            ended_versions=self._ended_versions if settings.post_platforms else None,
        )
        self.broken = False  # whether a task ended that should not have
        self._tasks: list[asyncio.Task[None]] = []
        self._outbound: Outbound | None = None
        self._accounts: AccountServices | None = None
        self._posting_outbound: Outbound | None = None
        self._publishers: Publishers | None = None
        self._to_close = AsyncExitStack()

    async def __aenter__(self) -> Core:
        check_database_exists(self.settings)
        await self.database.open()
        try:
            await check_schema(await self.database.schema.revision())
            await self.clock.measure(self.database.events)
            check_clock(self.clock.ahead)
            await self.broker.open(self.queues)
            if self.cache is not None:
                await self.cache.open()
            await self.channel.open(self.live if self._serves_live_counts else None)
        except BaseException:
            await self._close()
            raise
        self.start(self.committer.run(), "committer")
        self.start(self.publisher.run(), "publisher")
        self.start(self.nudge.run(), "nudge")
        self.start(self._sync_clock(), "clock")
        if self._serves_live_counts:
            self.start(self.live.run(), "live")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.live.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.committer.drain(), DRAIN_SECONDS)
        await self.publisher.drain(DRAIN_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close()

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` when the role ends, after its tasks; what was registered last is closed first."""
        self._to_close.push_async_callback(close)

    def outbound(self, *, setting: str, extra: str) -> Outbound:
        """The client for requests to other servers, one a process; `setting` needs it, and the package's `extra`."""
        if self._outbound is None:
            self._outbound = outbound(self.settings, setting=setting, extra=extra)
            self.on_close(self._outbound.close)
        return self._outbound

    @property
    def accounts(self) -> AccountServices:
        """Connected accounts; a refresh that is under way ends before the connections close."""
        if self._accounts is None:
            self._accounts = create_account_services(
                self.settings,
                self.database.accounts,
                self.clock,
                lambda: self.posting_outbound,
            )
            if self._accounts.access is not None:
                self.on_close(self._accounts.access.drain)
        return self._accounts

    @property
    def posting_outbound(self) -> Outbound:
        """The client for requests to the platforms of users' accounts, one a process."""
        if self._posting_outbound is None:
            self._posting_outbound = posting_outbound(self.settings)
            self.on_close(self._posting_outbound.close)
        return self._posting_outbound

    @property
    def publishers(self) -> Publishers:
        """The platforms that can be posted to."""
        if self._publishers is None:
            publishers = create_publishers(self.settings, lambda: self.posting_outbound)
            self._publishers = arm_publishers(publishers, os.environ)
        return self._publishers

    @property
    def api_versions(self) -> frozenset[str]:
        """The versions of platforms' APIs that posts of this process use."""
        return frozenset(version for each in self.publishers.values() if (version := version_of(each)))

    async def closed_gates(self) -> Sequence[ClosedGate]:
        """What is paused for this process."""
        return await self.database.deliveries.closed_gates(self.api_versions)

    async def _ended_versions(self) -> list[str]:
        return [gate.version for gate in await self.closed_gates() if gate.version is not None]

    @property
    def delivery_handlers(self) -> Sequence[Handler]:
        """One for each kind of delivery."""
        return [
            PostHandler(
                ledger=self.ledger,
                posts=self.database.posts,
                deliveries=self.database.deliveries,
                clock=self.clock,
                access=self.accounts.access,
                publishers=self.publishers,
                budgets=self.spending.budgets,
                budget_spent_fails=self.spending.spent_fails,
                look_for=timedelta(hours=self.settings.post_look_hours),
            )
        ]

    def start_account_keeper(self) -> None:
        """Refresh the tokens of accounts that nobody uses, if accounts can be connected here."""
        if self.accounts.keeper is not None:
            self.start(self.accounts.keeper.run(), "accounts")

    async def _close(self) -> None:
        await self._to_close.aclose()
        await self.broker.close()
        await self.channel.close()
        if self.cache is not None:
            await self.cache.close()
        await self.database.close()
        await self.traces.close()

    def start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Own a task until the end; a role whose task breaks ends, for whoever supervises it to start anew."""
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._end_if_broken)
        self._tasks.append(task)
        return task

    def _end_if_broken(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.broken = True
            log.critical("a task broke; this process ends", task=task.get_name(), exc_info=task.exception())
            os.kill(os.getpid(), signal.SIGTERM)

    async def _sync_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SYNC_SECONDS)
            try:
                await self.clock.measure(self.database.events)
            except SharetallyError:
                continue  # the time that was measured before is good enough until the database is back
            except Exception:
                log.exception("clock_failed")

    def _create_consumers(self) -> list[Consumer[Any]]:
        ledger, events, feed = self.ledger, self.database.events, self.settings.event_feed
        announcer = Announcer(counts=self.database.counts, cache=self.cache, channel=self.channel)
        consumers: list[Consumer[Any]] = [
            Count(
                ledger=ledger,
                events=events,
                announcer=announcer,
                reactions=self.reactions,
                on_follow_up=self.publisher.take,
            ),
            Post(ledger=ledger, events=events, clock=self.clock),
            Inbound(ledger=ledger, events=events, adjustments=self.adjustments, clock=self.clock),
        ]
        if feed:
            consumers.append(Feed(ledger=ledger, events=events, broker=self.broker))
        external = (entry.load() for entry in sorted(entry_points(group=CONSUMERS_GROUP), key=lambda e: e.name))
        return consumers + [
            create(ledger=ledger, events=events, broker=self.broker, clock=self.clock) for create in external
        ]

    def worker(self, consumer: Consumer[Any]) -> Worker[Any]:
        """The worker of one consumer."""
        traced = self.traces.consumer(consumer, self.broker)
        return Worker(broker=self.broker, events=self.database.events, consumer=traced, meter=self.meter)

    def relay(self) -> Relay:
        """The relay; it looks after events alone."""
        queues = [consumer.queue for consumer in self.consumers]
        db = self.database
        return Relay(events=db.events, responses=db.responses, sessions=db.sessions, broker=self.broker, queues=queues)

    def delivery_loop(self) -> DeliveryLoop:
        """What delivers to the outside world."""
        ledger = ledger_of_outcomes(self.ledger, os.environ)
        attempts = Attempts(ledger=ledger, clock=self.clock, meter=self.meter, on_committed=self.publisher.take)
        return DeliveryLoop(
            store=self.database.deliveries,
            broker=self.broker,
            attempts=attempts,
            handlers=self.delivery_handlers,
            keep_failures=timedelta(days=self.settings.delivery_log_days),
            versions=self.api_versions,
        )

    async def waiting(self) -> BacklogReport:
        """What waits in database and broker."""
        db = self.database
        return await self.meter.waiting(db.events, self.broker, self.queues, db.deliveries, self.spending.today)

    async def exposition(self) -> tuple[bytes, str]:
        """All metrics, and their media type."""
        db = self.database
        return await self.meter.exposition(db.events, self.broker, self.queues, db.deliveries, self.spending.today)


def create_reactions(settings: Settings) -> list[Reaction]:
    """The feed, if it is on, and the reactions of installed packages in the order of their names."""
    installed = [entry.load() for entry in sorted(entry_points(group=REACTIONS_GROUP), key=lambda e: e.name)]
    builtin: list[Reaction] = [FeedReaction()] if settings.event_feed else []
    return builtin + [reaction() if isinstance(reaction, type) else reaction for reaction in installed]


def check_reactions(reactions: Sequence[Reaction], queues: Sequence[Queue]) -> None:
    """Refuse a reaction whose events nobody would ever consume: they would stay pending for ever."""
    consumed = {job for queue in queues for job in queue.jobs} - COUNTED
    for reaction in reactions:
        if unknown := sorted(set(reaction.jobs) - consumed):
            raise ConfigurationError(
                f"the reaction {reaction.name} returns events of the job {', '.join(unknown)}, which no consumer owns: "
                f"install the consumer in the entry point group {CONSUMERS_GROUP}"
            )


def _external_jobs() -> tuple[str, ...]:
    queues = [entry.load().queue for entry in entry_points(group=CONSUMERS_GROUP)]
    return tuple(job for queue in queues for job in queue.jobs)


def _instantiate(consumers: object) -> object:
    return consumers() if isinstance(consumers, type) else consumers


def check_clock(ahead: timedelta) -> None:
    """Refuse a host whose clock is nowhere near the database's: ids tell its time, and the audit is found by it."""
    if abs(ahead) > MAX_CLOCK_SKEW:
        hours, direction = abs(ahead).total_seconds() / 3600, "ahead of" if ahead > ZERO else "behind"
        raise ConfigurationError(
            f"this host's clock is {hours:.0f} hours {direction} the database's: set it, or let NTP do so"
        )


def check_database_exists(settings: Settings) -> None:
    """Refuse an embedded database that nobody has made; opening it would leave an empty file behind."""
    path = sqlite_path(settings)
    if path is not None and not path.exists():
        raise ConfigurationError(f"there is no database at {path} yet: run `sharetally migrate`")


async def check_schema(revision: str | None) -> None:
    """Refuse a schema that this version does not know."""
    if revision is None:
        raise ConfigurationError("the database has no schema yet: run `sharetally migrate`")
    if revision != HEAD:
        raise ConfigurationError(
            f"the database stands at revision {revision}, this version knows {HEAD}: "
            "run `sharetally migrate` (or update sharetally, if the database is newer)"
        )


def create_broker(settings: Settings) -> Broker:
    """The broker that BROKER_URL names."""
    if settings.broker_url.startswith("memory:"):
        return MemoryBroker()
    try:
        from sharetally.adapters.brokers.amqp import AmqpBroker
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"BROKER_URL needs: pip install 'sharetally[rabbitmq]' ({error.name})") from error
    return AmqpBroker(settings.broker_url, feed=settings.event_feed)


def builtin_queues(settings: Settings) -> Sequence[Queue]:
    """The queues of our own consumers, and the one that nudges."""
    feed = [Feed.queue] if settings.event_feed else []
    return [Count.queue, Post.queue, Inbound.queue, *feed, DELIVERIES]


def create_cache(settings: Settings) -> Cache | None:
    """The cache that CACHE_URL names; memory serves one process, so beside RabbitMQ it is none."""
    if settings.cache_url.startswith("memory:"):
        return MemoryCache() if settings.broker_url.startswith("memory:") else None
    try:
        from sharetally.adapters.caches.redis import RedisCache
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"CACHE_URL needs: pip install 'sharetally[redis]' ({error.name})") from error
    return RedisCache(settings.cache_url)


def create_channel(settings: Settings) -> Channel:
    """What carries newest counts: Redis if there is one, else RabbitMQ, else this process's memory."""
    if settings.cache_url.startswith("redis"):
        from sharetally.adapters.channels.redis import RedisChannel

        return RedisChannel(settings.cache_url)
    if settings.broker_url.startswith("amqp"):
        from sharetally.adapters.channels.amqp import AmqpChannel

        return AmqpChannel(settings.broker_url)
    return MemoryChannel()


def outbound(settings: Settings, *, setting: str, extra: str) -> Outbound:
    """A client for requests to other servers; `setting` is what needs it, and `extra` what installs it."""
    try:
        from sharetally.adapters.outbound import OutboundClient
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{setting} needs: pip install 'sharetally[{extra}]' ({error.name})") from error
    return OutboundClient(proxies_from_env=settings.outbound_proxies)


def allowed_platforms(settings: Settings) -> Mapping[str, Platform]:
    """The platforms of SHARE_PLATFORMS, in their order."""
    known = platforms.available()
    unknown = [name for name in settings.share_platforms if name not in known]
    if unknown:
        raise ConfigurationError(f"SHARE_PLATFORMS: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return {name: known[name] for name in settings.share_platforms}


def device_platforms() -> Mapping[str, Platform]:
    """Those on the user's own device, which need not stand in SHARE_PLATFORMS."""
    known = platforms.available()
    return {name: known[name] for name in platforms.DEVICE_PLATFORMS}


def start_embedded_workers(core: Core) -> Callable[[], Awaitable[None]]:
    """With a broker in memory, relay and workers run in the same process; returns how to end them."""
    stop = asyncio.Event()
    if not core.broker.volatile:
        return _no_op
    workers = [
        core.start(core.worker(consumer).run(stop), f"worker {consumer.queue.name}") for consumer in core.consumers
    ]
    workers.append(core.start(core.delivery_loop().run(stop), "deliveries"))
    core.start(core.relay().run(), "relay")
    core.start_account_keeper()

    async def end() -> None:
        stop.set()
        await asyncio.gather(*workers, return_exceptions=True)

    return end


async def _no_op() -> None:
    return None
