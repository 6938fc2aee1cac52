"""Many clients at once, each waiting for its answer before the next wish, and entering what was answered.

A user, a link and a job id belong to one client, so that each client's own log is a sequence and the next answer
can be foretold; contents are everybody's. Some writes carry an Idempotency-Key and come again: later, or at the
same time over a second connection; the answers must be equal to the byte, and the effect is one. Under a key, who
gets no answer or a 503 insists on one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random

from tests.oracle.bounds import Bounds
from tests.oracle.client import Answer, Client, NoAnswer, NotSent
from tests.oracle.mix import Mix
from tests.oracle.promises import Promises
from tests.oracle.system import System
from tests.oracle.tally import Journal, Uncertain
from tests.oracle.wishes.read import Read
from tests.oracle.wishes.wish import Wish, Write
from tests.oracle.world import Contents

KEYED = 0.15  # of the writes carry a key
TWINS = 0.3  # of those come twice at once
AGAIN = 0.03  # of all wishes are an earlier one under its key
KEPT = 50  # keyed writes to come back to
INSIST = 45.0  # seconds
REFUSED_PAUSE = 0.2  # seconds, when nobody takes the connection or the queue is full
_NOTHING_WRITTEN = b"queue"  # a 503 that says so promises that nothing was written


class Load(Promises):
    """N clients over one system, numbered from `first`: one process's part of a load, or all of it.

    `rate` is how many wishes a second each client has at most; None: as many as are answered.
    """

    def __init__(
        self,
        system: System,
        *,
        clients: int = 32,
        seed: int = 1,
        first: int = 0,
        rate: float | None = None,
        contents: Contents | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        super().__init__(system)
        self.bounds = bounds or Bounds()
        self.contents = contents or Contents()
        self.pause = 1 / rate if rate else 0.0
        self.until = 0.0
        self._numbers = range(first, first + clients)
        self._seed = seed

    async def run(self, seconds: float, journal: Journal) -> None:
        """Keep all clients busy for so long, or until it is told to end."""
        self.until = time.monotonic() + seconds
        speakers = [_Speaker(self, number, self._seed, journal) for number in self._numbers]
        try:
            async with asyncio.TaskGroup() as group:
                for speaker in speakers:
                    group.create_task(speaker.run())
        finally:
            for speaker in speakers:
                speaker.close()

    def end(self) -> None:
        """No client begins anything more."""
        self.until = 0.0


def _from(number: int, ports: Sequence[int]) -> list[int]:
    """Where each begins: they spread over all that serve."""
    first = number % len(ports)
    return [*ports[first:], *ports[:first]]


class _Speaker:
    """One client: its users, its two connections, its choices."""

    def __init__(self, load: Load, number: int, seed: int, journal: Journal) -> None:
        self._load = load
        self._journal = journal
        self._name = f"c{number}"
        self._random = Random(f"{seed}/{number}")
        self._mix = Mix(load.expected, self._random, client=number, name=self._name, contents=load.contents)
        port, *others = _from(number, load.system.ports)
        self._first, self._second = Client(port, others=others), Client(port, others=others)
        self._requests = 0
        self._kept: deque[tuple[Write, str, Answer]] = deque(maxlen=KEPT)

    async def run(self) -> None:
        while time.monotonic() < self._load.until:
            began = time.monotonic()
            if self._kept and self._random.random() < AGAIN:
                await self._again(*self._random.choice(self._kept))
            else:
                wish = self._mix.next()
                await (self._write(wish) if isinstance(wish, Write) else self._read(wish))
            if self._load.pause:
                await asyncio.sleep(began + self._load.pause - time.monotonic())

    def close(self) -> None:
        self._first.close()
        self._second.close()

    async def _ask(self, client: Client, wish: Wish, request_id: str, key: str | None = None) -> Answer:
        headers = {"x-request-id": request_id, **({"idempotency-key": key} if key else {})}
        began = time.perf_counter()
        try:
            answer = await client.ask(
                wish.method, wish.target, wish.body, token=self._load.token(wish.user), headers=headers
            )
        except NoAnswer as error:
            self._journal.write(request_id, wish, key, error)
            raise
        self._load.tally.latencies.append(time.perf_counter() - began)
        self._load.tally.outcomes[str(answer.status)] += 1
        self._journal.write(request_id, wish, key, answer)
        return answer

    def _count(self, name: str) -> str:
        self._load.tally.wishes[name] += 1
        self._requests += 1
        return f"{self._name}-{self._requests}"

    # reading

    async def _read(self, wish: Wish) -> None:
        assert isinstance(wish, Read)
        request_id = self._count(wish.name)
        with ExitStack() as looks:
            judge = wish.begin(self._load.bounds, looks)
            try:
                answer = await self._ask(self._first, wish, request_id)
            except NoAnswer as error:
                await self._unanswered(error)
            else:
                fault = judge(answer) if answer.status != 503 else None
                if fault:
                    self._load.tally.fault(wish, request_id, fault)

    async def _unanswered(self, error: NoAnswer) -> None:
        self._load.tally.outcomes[type(error).__name__] += 1
        await asyncio.sleep(REFUSED_PAUSE)

    # writing

    async def _write(self, wish: Write) -> None:
        request_id = self._count(wish.name)
        key = f"key-{request_id}" if self._random.random() < KEYED else None
        self._load.bounds.begin(wish.deltas)
        try:
            answer = await self._asked(wish, request_id, key)
        except NotSent as error:
            self._load.bounds.void(wish.deltas)
            await self._unanswered(error)
        except NoAnswer as error:
            self._uncertain(wish, request_id, str(error))
            await self._unanswered(error)
        else:
            await self._answered(wish, request_id, key, answer)

    async def _asked(self, wish: Write, request_id: str, key: str | None) -> Answer:
        if key is None:
            return await self._ask(self._first, wish, request_id)
        try:
            twins = self._random.random() < TWINS
            answer = await (self._twins if twins else self._once)(wish, request_id, key)
        except NoAnswer as error:
            self._load.tally.outcomes[type(error).__name__] += 1
        else:
            if answer.status != 503:
                return answer
        return await self._insist(wish, request_id, key)

    async def _once(self, wish: Write, request_id: str, key: str) -> Answer:
        return await self._ask(self._first, wish, request_id, key)

    async def _twins(self, wish: Write, request_id: str, key: str) -> Answer:
        one, two = await asyncio.gather(
            self._ask(self._first, wish, request_id, key),
            self._ask(self._second, wish, request_id, key),
            return_exceptions=True,
        )
        if isinstance(one, Answer) and isinstance(two, Answer):
            self._same(wish, request_id, one, two)
        told = two if isinstance(one, NotSent) else one  # what was not sent had no effect
        if isinstance(told, BaseException):
            raise told
        return told

    async def _insist(self, wish: Write, request_id: str, key: str) -> Answer:
        """Ask again under the key: it is safe, whatever became of the first time. `NoAnswer` if there never is one."""
        self._load.tally.wishes["insisted"] += 1
        until = time.monotonic() + INSIST
        while time.monotonic() < until:
            await asyncio.sleep(REFUSED_PAUSE)
            try:
                answer = await self._ask(self._first, wish, request_id, key)
            except NoAnswer as error:
                self._load.tally.outcomes[type(error).__name__] += 1
            else:
                if answer.status != 503:
                    return answer
        raise NoAnswer(f"none within {INSIST:.0f} s")

    def _same(self, wish: Write, request_id: str, one: Answer, two: Answer) -> None:
        if one.status // 100 == 2 and (one.status, one.body) != (two.status, two.body) and two.status != 503:
            self._load.tally.fault(wish, request_id, f"twins differ: {one} and {two}")

    async def _answered(self, wish: Write, request_id: str, key: str | None, answer: Answer) -> None:
        if answer.status == 503:
            await self._refused(wish, request_id, answer)
        elif fault := wish.fault(answer):
            self._load.tally.fault(wish, request_id, fault)
            self._uncertain(wish, request_id, fault)
        else:
            self._happened(wish, answer)
            if key and answer.status // 100 == 2:
                self._kept.append((wish, key, answer))

    async def _refused(self, wish: Write, request_id: str, answer: Answer) -> None:
        if _NOTHING_WRITTEN in answer.body:
            self._load.bounds.void(wish.deltas)
        else:
            self._uncertain(wish, request_id, str(answer))
        await asyncio.sleep(REFUSED_PAUSE)

    def _happened(self, wish: Write, answer: Answer) -> None:
        subject = wish.subject(answer)
        wish.happened(self._load.expected, subject)
        self._load.bounds.settle(wish.deltas)
        if subject:
            self._mix.made_link(subject)

    def _uncertain(self, wish: Write, request_id: str, reason: str) -> None:
        self._mix.block(wish)
        self._load.tally.uncertain.append(Uncertain(wish, request_id, reason))

    async def _again(self, wish: Write, key: str, before: Answer) -> None:
        request_id = self._count("again")
        try:
            answer = await self._ask(self._first, wish, request_id, key)
        except NoAnswer as error:
            await self._unanswered(error)
        else:
            self._same(wish, request_id, before, answer)
