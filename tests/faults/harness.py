"""The environment of a row: a system in its usual configuration on one database, a load, and the judge at the end.

    async def perform(harness: FaultHarness) -> None:
        async with harness.open(harness.topology()) as system, harness.load(seconds=30):
            …                                  # break something, and assert that it broke

A topology can be changed: settings for all roles or for one, a wire before a server (`replace(topology, broker=…)`),
or a private server (`harness.enter(POSTGRESQL.private())`). Leaving `open` waits until all is counted and judges
the promises of all loads. A row declares in advance every result other than 0: `harness.predict(parked=1)`,
`harness.allow("NotSent")`. It records observations with `harness.note`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from tests.faults.queues import depths
from tests.faults.scoreboard import Outcome
from tests.oracle.distributed_load import DistributedLoad, LoadSize
from tests.oracle.judge import judge
from tests.oracle.promises import Promises
from tests.oracle.run import run_in_background
from tests.oracle.system import LOAD_SETTINGS, System, Topology, open_system
from tests.oracle.verdict import Findings
from tests.oracle.watch import VerificationWatch
from tests.services import Services, fresh_amqp, fresh_mysql, fresh_postgresql, fresh_redis

T = TypeVar("T")
VERIFY_EVERY = 5.0  # seconds
TIMEOUT = 150.0  # seconds until all is counted: the relay waits 30, and each marker takes its time
BRIEF_LOAD_SECONDS = 2.0  # seconds of load
RATE = 400.0  # commands per second: two rows at once leave a small machine some capacity
EXPECTED_OUTCOMES = frozenset({"200", "201", "202", "204", "404", "422"})  # answers that the contract foresees


class Judge(Protocol):
    """Waits until everything is counted, and compares what there is with what was promised."""

    async def __call__(self, promises: Promises, *, max_seconds: float) -> Findings: ...


class FaultHarness:
    """Of one row on one kind of `database`; logs, journals and data are in `folder`.

    `brief`: loads last a few seconds only; for the tests that always run.
    """

    def __init__(
        self,
        *,
        database: str,
        services: Services,
        folder: Path,
        seed: int,
        stack: AsyncExitStack,
        brief: bool = False,
    ) -> None:
        self.database = database
        self.services = services
        self.folder = folder
        self.seed = seed
        self.brief = brief
        self.max_seconds = TIMEOUT
        self._stack = stack
        self._allowed = set(EXPECTED_OUTCOMES)
        self._predicted = {"parked": 0, "dead": 0}
        self._notes: list[str] = []
        self._wrong: list[str] = []
        self._runs: list[SystemRun] = []

    # its parts

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Something that lasts until the row is over: a server, a database."""
        return self._stack.enter_context(context)

    async def enter_async(self, context: AbstractAsyncContextManager[T]) -> T:
        """The same for an asynchronous context manager, such as a wire."""
        return await self._stack.enter_async_context(context)

    def topology(
        self,
        *,
        database: str | None = None,
        broker: str | None = None,
        cache: bool = False,
        servers: int = 1,
        workers: int = 2,
        settings: Mapping[str, str] | None = None,
        each: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Topology:
        """A system in its usual configuration on this database; what is not given is new, on a shared server."""
        given = {**LOAD_SETTINGS, **(settings or {})}
        redis = self.enter(fresh_redis(self.services.redis)) if cache else None
        if self.database == "sqlite":
            return Topology(cache=redis, settings=given, each=each or {})
        return Topology(
            database=database or self.fresh_database(),
            broker=broker or self.enter(fresh_amqp(self.services.broker)),
            cache=redis,
            servers=servers,
            processes=2,
            workers=workers,
            relays=1,
            settings=given,
            each=each or {},
        )

    def fresh_database(self) -> str:
        """The URL of an empty database of this kind on the shared server."""
        fresh, server = {
            "postgresql": (fresh_postgresql, self.services.postgresql),
            "mysql": (fresh_mysql, self.services.mysql),
        }[self.database]
        assert server is not None, f"there is no {self.database}: {self.services.untested}"
        return self.enter(fresh(server))

    # performing

    @asynccontextmanager
    async def open(self, topology: Topology, judge: Judge = judge) -> AsyncIterator[System]:
        """A system that is watched while it runs, and judged before it ends."""
        async with open_system(topology, self._new_folder()) as system:
            run = SystemRun(system, self.seed, self.max_seconds, judge)
            self._runs.append(run)
            async with run_in_background(run.watch.run()):
                yield system
                run.max_seconds = self.max_seconds
                await run.settle_and_judge()
            self._wrong += system.unexpected_log_lines()

    def _new_folder(self) -> Path:
        place = self.folder / f"system-{len(self._runs)}"
        place.mkdir()
        return place

    def load(
        self, *, seconds: float = 0.0, rate: float | None = RATE, processes: int = 2, clients: int = 12
    ) -> AbstractAsyncContextManager[None]:
        """The newest system under load from several processes, for a given time and as long as the block lasts.

        `rate` is the number of commands per second in all; None means as many as possible.
        """
        size = LoadSize(processes=processes, clients=clients, rate=rate)
        return self.current_run.crowd.load(min(seconds, BRIEF_LOAD_SECONDS) if self.brief else seconds, size)

    @property
    def current_run(self) -> SystemRun:
        """What goes on with the newest system."""
        assert self._runs, "nothing is open"
        return self._runs[-1]

    @property
    def promises(self) -> Promises:
        """What was promised on the newest system; requests made by hand are entered here."""
        return self.current_run.promises

    def rounds(self, many: int) -> int:
        """How often to do something: so often, or twice in brief."""
        return min(many, 2) if self.brief else many

    def pause_verification(self) -> asyncio.Lock:
        """`async with stage.blind():` while the database itself is away, so that `verify` is not run."""
        return self.current_run.watch.lock

    # its description

    def predict(self, *, parked: int = 0, dead: int = 0) -> None:
        """So many events will be parked, and so many messages rejected, at the end."""
        self._predicted = {"parked": parked, "dead": dead}

    def allow(self, *outcomes: str) -> None:
        """What the load may see beyond the contract's answers: a status, `NotSent` (refused), `NoResponse` (cut)."""
        self._allowed |= set(outcomes)

    def note(self, text: str) -> None:
        """What happened, for the reader of the table."""
        self._notes.append(text)

    def fail(self, *texts: str) -> None:
        """A fault that the row itself saw."""
        self._wrong += texts

    def outcome(self, *, row: int, title: str, seconds: float, failure: str | None) -> Outcome:
        """All that was seen."""
        runs = self._runs
        outcomes = [(kind, many) for run in runs for kind, many in run.promises.tally.outcomes.items()]
        strange = [f"answered {kind}, {many} times" for kind, many in outcomes if kind not in self._allowed]
        return Outcome(
            row=row,
            title=title,
            database=self.database,
            attempts=sum(many for _, many in outcomes),
            acknowledged=sum(many for kind, many in outcomes if kind.startswith("2")),
            lost=sum(len(run.findings.lost) for run in runs),
            duplicated=sum(len(run.findings.duplicated) for run in runs),
            unexpected=sum(run.promises.tally.faults for run in runs) + self._count_unexpected(outcomes),
            looks=sum(run.watch.looks for run in runs),
            drift=sum(len(run.watch.drifted) for run in runs),
            cells=sum(len(run.findings.miscounted) for run in runs),
            pending=sum(run.findings.pending for run in runs),
            depth=sum(sum(run.depths.values()) for run in runs),
            parked=sum(run.findings.parked for run in runs),
            parked_predicted=self._predicted["parked"],
            dead=sum(run.dead for run in runs),
            dead_predicted=self._predicted["dead"],
            settling=max((run.findings.settling for run in runs), default=0.0),
            seconds=seconds,
            notes=tuple(self._notes),
            wrong=(*strange, *self._wrong, *(line for run in runs for line in run.problems())),
            failure=failure,
        )

    def _count_unexpected(self, outcomes: Iterable[tuple[str, int]]) -> int:
        return sum(many for kind, many in outcomes if kind not in self._allowed)


class SystemRun:
    """One system with its promises, its watchers and its verdict."""

    def __init__(self, system: System, seed: int, max_seconds: float, judge: Judge) -> None:
        self.promises = Promises(system)
        self.crowd = DistributedLoad(self.promises, folder=system.folder, seed=seed)
        self.watch = VerificationWatch(system, every=VERIFY_EVERY)
        self.findings = Findings()
        self.depths: dict[str, int] = {}
        self.dead = 0
        self.max_seconds = max_seconds
        self._system = system
        self._judge = judge

    async def settle_and_judge(self) -> None:
        """Wait until everything is counted, compare it with the promises, and run verify at the end."""
        self.findings = await self._judge(self.promises, max_seconds=self.max_seconds)
        if self._system.topology.broker:
            self.depths = await depths(self._system.topology.broker, self.max_seconds)
            self.dead = self.depths.pop("rejected")
        async with self.watch.lock:
            await self.watch.verify()

    def problems(self) -> list[str]:
        """Every fault in a line."""
        found, tally = self.findings, self.promises.tally
        kinds = {
            "lost": found.lost,
            "duplicated": found.duplicated,
            "cell": found.miscounted,
            "unexpected": tally.unexpected,
            "drift": self.watch.drifted,
        }
        return [f"{kind}: {line}" for kind, lines in kinds.items() for line in lines]
