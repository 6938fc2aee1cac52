"""What a row performs on: a system as it is usually run on one database, a load on it, and the judge at the end.

    async def perform(stage: Stage) -> None:
        async with stage.open(stage.shape()) as system, stage.load(seconds=30):
            …                                  # break something, and assert that it broke

Shapes may be altered: further settings, for all roles or for one; a wire before a server (`replace(shape, broker=…)`);
a server of one's own (`stage.enter(POSTGRESQL.private())`). Leaving `open` waits until everything is counted and judges
what all loads were promised. A row predicts beforehand what it will find beyond 0: `stage.predict(parked=1)`,
`stage.allow("NotSent")`; and notes what it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.faults.queues import depths
from tests.faults.scoreboard import Outcome
from tests.oracle.crowd import Crowd, Size
from tests.oracle.judge import judge
from tests.oracle.promises import Promises
from tests.oracle.run import beside
from tests.oracle.system import FOR_LOAD, Shape, System, open_system
from tests.oracle.verdict import Findings
from tests.oracle.watch import Watch
from tests.services import Services, fresh_amqp, fresh_mysql, fresh_postgresql, fresh_redis

T = TypeVar("T")
LOOK_EVERY = 5.0  # seconds
PATIENCE = 150.0  # seconds until all is counted: the relay waits 30, and each marker takes its time
BRIEF = 2.0  # seconds of load
RATE = 400.0  # wishes a second: two rows at once leave a small machine some air
PROMISED = frozenset({"200", "201", "202", "204", "404", "422"})  # answers that the contract foresees


class Stage:
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
        self.patience = PATIENCE
        self._stack = stack
        self._allowed = set(PROMISED)
        self._predicted = {"parked": 0, "dead": 0}
        self._notes: list[str] = []
        self._wrong: list[str] = []
        self._acts: list[Act] = []

    # what it is made of

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Something that lasts until the row is over: a server, a database."""
        return self._stack.enter_context(context)

    async def enter_async(self, context: AbstractAsyncContextManager[T]) -> T:
        """The same for what is entered asynchronously: a wire."""
        return await self._stack.enter_async_context(context)

    def shape(
        self,
        *,
        database: str | None = None,
        broker: str | None = None,
        cache: bool = False,
        servers: int = 1,
        workers: int = 2,
        settings: Mapping[str, str] | None = None,
        each: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Shape:
        """A system as it is run on this database; what is not named is fresh, on a server that is shared."""
        given = {**FOR_LOAD, **(settings or {})}
        redis = self.enter(fresh_redis(self.services.redis)) if cache else None
        if self.database == "sqlite":
            return Shape(cache=redis, settings=given, each=each or {})
        return Shape(
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
    async def open(self, shape: Shape) -> AsyncIterator[System]:
        """A system that is watched while it runs, and judged before it ends."""
        async with open_system(shape, self._place()) as system:
            act = Act(system, self.seed, self.patience)
            self._acts.append(act)
            async with beside(act.watch.run()):
                yield system
                act.patience = self.patience
                await act.conclude()
            self._wrong += system.grumbling()

    def _place(self) -> Path:
        place = self.folder / f"system-{len(self._acts)}"
        place.mkdir()
        return place

    def load(
        self, *, seconds: float = 0.0, rate: float | None = RATE, processes: int = 2, clients: int = 12
    ) -> AbstractAsyncContextManager[None]:
        """The newest system under load from several processes: for so long, and for as long as the block lasts.

        `rate` is the wishes a second of all together; None: as many as go.
        """
        size = Size(processes=processes, clients=clients, rate=rate)
        return self.act.crowd.load(min(seconds, BRIEF) if self.brief else seconds, size)

    @property
    def act(self) -> Act:
        """What goes on with the newest system."""
        assert self._acts, "nothing is open"
        return self._acts[-1]

    @property
    def promises(self) -> Promises:
        """What was promised on the newest system; whoever asks by hand enters it here."""
        return self.act.promises

    def times(self, many: int) -> int:
        """How often to do something: so often, or twice in brief."""
        return min(many, 2) if self.brief else many

    def blind(self) -> asyncio.Lock:
        """`async with stage.blind():` while the database itself is away, nobody runs `verify`."""
        return self.act.watch.sight

    # what is said of it

    def predict(self, *, parked: int = 0, dead: int = 0) -> None:
        """So many events will be parked, and messages in the dead queue, at the end."""
        self._predicted = {"parked": parked, "dead": dead}

    def allow(self, *outcomes: str) -> None:
        """What the load may see beyond the contract's answers: a status, `NotSent` (refused), `NoAnswer` (cut)."""
        self._allowed |= set(outcomes)

    def note(self, text: str) -> None:
        """What happened, for the reader of the table."""
        self._notes.append(text)

    def wrong(self, *texts: str) -> None:
        """A fault that the row itself saw."""
        self._wrong += texts

    def outcome(self, *, row: int, title: str, seconds: float, failure: str | None) -> Outcome:
        """All that was seen."""
        acts = self._acts
        outcomes = [(kind, many) for act in acts for kind, many in act.promises.tally.outcomes.items()]
        strange = [f"answered {kind}, {many} times" for kind, many in outcomes if kind not in self._allowed]
        return Outcome(
            row=row,
            title=title,
            database=self.database,
            attempts=sum(many for _, many in outcomes),
            acknowledged=sum(many for kind, many in outcomes if kind.startswith("2")),
            lost=sum(len(act.findings.lost) for act in acts),
            duplicated=sum(len(act.findings.duplicated) for act in acts),
            unexpected=sum(act.promises.tally.faults for act in acts) + self._strange(outcomes),
            looks=sum(act.watch.looks for act in acts),
            drift=sum(len(act.watch.drifted) for act in acts),
            cells=sum(len(act.findings.miscounted) for act in acts),
            pending=sum(act.findings.pending for act in acts),
            depth=sum(sum(act.depths.values()) for act in acts),
            parked=sum(act.findings.parked for act in acts),
            parked_predicted=self._predicted["parked"],
            dead=sum(act.dead for act in acts),
            dead_predicted=self._predicted["dead"],
            settling=max((act.findings.settling for act in acts), default=0.0),
            seconds=seconds,
            notes=tuple(self._notes),
            wrong=(*strange, *self._wrong, *(line for act in acts for line in act.wrong())),
            failure=failure,
        )

    def _strange(self, outcomes: Iterable[tuple[str, int]]) -> int:
        return sum(many for kind, many in outcomes if kind not in self._allowed)


class Act:
    """One system, what it was promised, who watches it, and what was found in the end."""

    def __init__(self, system: System, seed: int, patience: float) -> None:
        self.promises = Promises(system)
        self.crowd = Crowd(self.promises, folder=system.folder, seed=seed)
        self.watch = Watch(system, every=LOOK_EVERY)
        self.findings = Findings()
        self.depths: dict[str, int] = {}
        self.dead = 0
        self.patience = patience
        self._system = system

    async def conclude(self) -> None:
        """Wait until everything is counted, and hold it against what was promised; verify has the last word."""
        self.findings = await judge(self.promises, patience=self.patience)
        if self._system.shape.broker:
            self.depths = await depths(self._system.shape.broker, self.patience)
            self.dead = self.depths.pop("dead")
        async with self.watch.sight:
            await self.watch.look()

    def wrong(self) -> list[str]:
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
