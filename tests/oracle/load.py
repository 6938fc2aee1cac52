"""Many clients at once; each waits for its answer before the next request and records what was answered.

A user, a link and a job id belong to one client, so that each client's own log is a sequence and the next answer
can be predicted; all clients share the content items. Some writes carry an Idempotency-Key and are repeated: later, or
at the same time over a second connection; the answers must be equal to the byte, and the effect happens once. A
client with a key repeats a request that got no answer or a 503 until it has one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random

from tests.oracle.bounds import Bounds
from tests.oracle.client import Client, NoResponse, NotSent, Response
from tests.oracle.client_requests.client_request import Operation, WriteOperation
from tests.oracle.client_requests.read import ReadOperation
from tests.oracle.mix import Mix
from tests.oracle.promises import Promises
from tests.oracle.system import System
from tests.oracle.tally import Journal, Uncertain
from tests.oracle.world import Contents

KEYED_RATIO = 0.15  # of the writes carry a key
DUPLICATE_RATIO = 0.3  # of those come twice at once
REPLAY_RATIO = 0.03  # of all requests repeat an earlier one under its key
REPLAY_POOL_SIZE = 50  # keyed writes to come back to
RETRY_SECONDS = 45.0  # seconds
REFUSED_PAUSE = 0.2  # seconds, when the connection is not accepted or the queue is full
_NOTHING_WRITTEN = b"queue"  # a 503 that says so promises that nothing was written


class Load(Promises):
    """N clients of one system, numbered from `first`: one process's part of a load, or all of it.

    `rate` is how many requests per second each client sends at most; None means as many as are answered.
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
        """Keep all clients busy for this time, or until the load is asked to end."""
        self.until = time.monotonic() + seconds
        load_clients = [_LoadClient(self, number, self._seed, journal) for number in self._numbers]
        try:
            async with asyncio.TaskGroup() as group:
                for load_client in load_clients:
                    group.create_task(load_client.run())
        finally:
            for load_client in load_clients:
                load_client.close()

    def end(self) -> None:
        """No client begins anything more."""
        self.until = 0.0


def _rotated(number: int, ports: Sequence[int]) -> list[int]:
    """Where each begins: they spread over all that serve."""
    first = number % len(ports)
    return [*ports[first:], *ports[:first]]


class _LoadClient:
    """One client: its users, its two connections, its choices."""

    def __init__(self, load: Load, number: int, seed: int, journal: Journal) -> None:
        self._load = load
        self._journal = journal
        self._name = f"c{number}"
        self._random = Random(f"{seed}/{number}")
        self._mix = Mix(load.expected, self._random, client=number, name=self._name, contents=load.contents)
        port, *others = _rotated(number, load.system.ports)
        self._first, self._second = Client(port, others=others), Client(port, others=others)
        self._requests = 0
        self._replayable: deque[tuple[WriteOperation, str, Response]] = deque(maxlen=REPLAY_POOL_SIZE)

    async def run(self) -> None:
        while time.monotonic() < self._load.until:
            began = time.monotonic()
            if self._replayable and self._random.random() < REPLAY_RATIO:
                await self._replay(*self._random.choice(self._replayable))
            else:
                operation = self._mix.next()
                await (self._write(operation) if isinstance(operation, WriteOperation) else self._read(operation))
            if self._load.pause:
                await asyncio.sleep(began + self._load.pause - time.monotonic())

    def close(self) -> None:
        self._first.close()
        self._second.close()

    async def _send(self, client: Client, operation: Operation, request_id: str, key: str | None = None) -> Response:
        headers = {"x-request-id": request_id, **({"idempotency-key": key} if key else {})}
        began = time.perf_counter()
        try:
            response = await client.request(
                operation.method,
                operation.target,
                operation.body,
                token=self._load.token(operation.user),
                headers=headers,
            )
        except NoResponse as error:
            self._journal.write(request_id, operation, key, error)
            raise
        self._load.tally.latencies.append(time.perf_counter() - began)
        self._load.tally.outcomes[str(response.status)] += 1
        self._journal.write(request_id, operation, key, response)
        return response

    def _count(self, name: str) -> str:
        self._load.tally.operations[name] += 1
        self._requests += 1
        return f"{self._name}-{self._requests}"

    # reading

    async def _read(self, operation: Operation) -> None:
        assert isinstance(operation, ReadOperation)
        request_id = self._count(operation.name)
        with ExitStack() as looks:
            judge = operation.begin(self._load.bounds, looks)
            try:
                response = await self._send(self._first, operation, request_id)
            except NoResponse as error:
                await self._handle_no_response(error)
            else:
                fault = judge(response) if response.status != 503 else None
                if fault:
                    self._load.tally.fault(operation, request_id, fault)

    async def _handle_no_response(self, error: NoResponse) -> None:
        self._load.tally.outcomes[type(error).__name__] += 1
        await asyncio.sleep(REFUSED_PAUSE)

    # writing

    async def _write(self, operation: WriteOperation) -> None:
        request_id = self._count(operation.name)
        key = f"key-{request_id}" if self._random.random() < KEYED_RATIO else None
        self._load.bounds.begin(operation.deltas)
        try:
            response = await self._send_write(operation, request_id, key)
        except NotSent as error:
            self._load.bounds.void(operation.deltas)
            await self._handle_no_response(error)
        except NoResponse as error:
            self._record_uncertain(operation, request_id, str(error))
            await self._handle_no_response(error)
        else:
            await self._handle_response(operation, request_id, key, response)

    async def _send_write(self, operation: WriteOperation, request_id: str, key: str | None) -> Response:
        if key is None:
            return await self._send(self._first, operation, request_id)
        try:
            twins = self._random.random() < DUPLICATE_RATIO
            response = await (self._send_duplicates if twins else self._send_once)(operation, request_id, key)
        except NoResponse as error:
            self._load.tally.outcomes[type(error).__name__] += 1
        else:
            if response.status != 503:
                return response
        return await self._retry_until_response(operation, request_id, key)

    async def _send_once(self, operation: WriteOperation, request_id: str, key: str) -> Response:
        return await self._send(self._first, operation, request_id, key)

    async def _send_duplicates(self, operation: WriteOperation, request_id: str, key: str) -> Response:
        one, two = await asyncio.gather(
            self._send(self._first, operation, request_id, key),
            self._send(self._second, operation, request_id, key),
            return_exceptions=True,
        )
        if isinstance(one, Response) and isinstance(two, Response):
            self._compare_duplicates(operation, request_id, one, two)
        told = two if isinstance(one, NotSent) else one  # what was not sent had no effect
        if isinstance(told, BaseException):
            raise told
        return told

    async def _retry_until_response(self, operation: WriteOperation, request_id: str, key: str) -> Response:
        """Ask again under the key: it is safe, whatever became of the first time. `NoResponse` if none comes."""
        self._load.tally.operations["insisted"] += 1
        until = time.monotonic() + RETRY_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(REFUSED_PAUSE)
            try:
                response = await self._send(self._first, operation, request_id, key)
            except NoResponse as error:
                self._load.tally.outcomes[type(error).__name__] += 1
            else:
                if response.status != 503:
                    return response
        raise NoResponse(f"none within {RETRY_SECONDS:.0f} s")

    def _compare_duplicates(self, operation: WriteOperation, request_id: str, one: Response, two: Response) -> None:
        if one.status // 100 == 2 and (one.status, one.body) != (two.status, two.body) and two.status != 503:
            self._load.tally.fault(operation, request_id, f"twins differ: {one} and {two}")

    async def _handle_response(
        self, operation: WriteOperation, request_id: str, key: str | None, response: Response
    ) -> None:
        if response.status == 503:
            await self._handle_refusal(operation, request_id, response)
        elif fault := operation.fault(response):
            self._load.tally.fault(operation, request_id, fault)
            self._record_uncertain(operation, request_id, fault)
        else:
            self._apply(operation, response)
            if key and response.status // 100 == 2:
                self._replayable.append((operation, key, response))

    async def _handle_refusal(self, operation: WriteOperation, request_id: str, response: Response) -> None:
        if _NOTHING_WRITTEN in response.body:
            self._load.bounds.void(operation.deltas)
        else:
            self._record_uncertain(operation, request_id, str(response))
        await asyncio.sleep(REFUSED_PAUSE)

    def _apply(self, operation: WriteOperation, response: Response) -> None:
        subject = operation.subject(response)
        operation.apply(self._load.expected, subject)
        self._load.bounds.settle(operation.deltas)
        if subject:
            self._mix.add_link(subject)

    def _record_uncertain(self, operation: WriteOperation, request_id: str, reason: str) -> None:
        self._mix.block(operation)
        self._load.tally.uncertain.append(Uncertain(operation, request_id, reason))

    async def _replay(self, operation: WriteOperation, key: str, before: Response) -> None:
        request_id = self._count("again")
        try:
            response = await self._send(self._first, operation, request_id, key)
        except NoResponse as error:
            await self._handle_no_response(error)
        else:
            self._compare_duplicates(operation, request_id, before, response)
