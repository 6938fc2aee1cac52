"""One connection to Redis that only listens, and comes back by itself.

One task reads. Who adds a topic sends a PING behind the subscription and waits for its answer: Redis does one thing
after the other, so from then on nothing of the topic is missed. After each connect the same is done for all topics,
and then a gap is told. A server that says nothing for `patience` seconds is asked, and left if it stays silent.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from sharetally.domain.backoff import Backoff

_PAUSES = Backoff(first=0.1, longest=2.0)
_AT_ONCE = 1000  # topics in one command
_WAIT = 1.0  # seconds for a subscription to take hold; without it the gap is told later
_FAULTS = (RedisError, OSError, EOFError, TimeoutError)
log = structlog.get_logger("sharetally.channel")
Hear = Callable[[bytes, bytes], None]


class Listening:
    """Hears of the topics that were added, on a connection that `connect` makes."""

    def __init__(self, connect: Callable[[], AbstractConnection], *, patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._topics: dict[bytes, None] = {}
        self._connection: AbstractConnection | None = None
        self._numbers = count()
        self._awaited: dict[bytes, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._away = False

    async def open(self, topics: Iterable[bytes], hear: Hear, gapped: Callable[[], None]) -> None:
        """Begin; a server that is away is tried again and again."""
        self._topics.update(dict.fromkeys(topics))
        if self._task is None:
            self._task = asyncio.create_task(self._keep(hear, gapped), name="sharetally-redis-listening")

    async def close(self) -> None:
        """Leave; repeating is fine."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def add(self, topics: Sequence[bytes]) -> None:
        """Hear of these from when this returns, or from the next gap."""
        self._topics.update(dict.fromkeys(topics))
        if self._connection is not None:
            with suppress(
                Exception
            ):  # whatever it is, the task that reads finds it too, connects again and reports a gap
                async with asyncio.timeout(_WAIT):
                    await self._subscribe(self._connection, topics)

    async def remove(self, topics: Sequence[bytes]) -> None:
        """Hear of these no longer."""
        for topic in topics:
            self._topics.pop(topic, None)
        if self._connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(_WAIT):
                    await self._send(self._connection, b"UNSUBSCRIBE", topics)

    async def _keep(self, hear: Hear, gapped: Callable[[], None]) -> None:
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await self._listen(hear, gapped)
            except _FAULTS as fault:
                self._tell_away(fault)
            except Exception:
                log.exception("channel_failed")  # nobody but this task would ever listen again
            failures = 1 if clock() - began > _PAUSES.longest else failures + 1
            pause = _PAUSES.delay(failures) or _PAUSES.longest
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    async def _listen(self, hear: Hear, gapped: Callable[[], None]) -> None:
        connection = self._connect()
        try:
            async with asyncio.timeout(self._patience):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._connection = connection
            async with asyncio.TaskGroup() as group:
                group.create_task(self._begin(connection, gapped))
                await self._read(connection, hear)
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
        finally:
            self._connection = None
            self._give_up()
            with suppress(*_FAULTS):
                await connection.disconnect(nowait=True)

    async def _begin(self, connection: AbstractConnection, gapped: Callable[[], None]) -> None:
        async with asyncio.timeout(self._patience):
            await self._subscribe(connection, list(self._topics))
        if self._away:
            self._away = False
            log.info("channel_back")
        gapped()

    async def _subscribe(self, connection: AbstractConnection, topics: Sequence[bytes]) -> None:
        for start in range(0, len(topics), _AT_ONCE):
            await self._send(connection, b"SUBSCRIBE", topics[start : start + _AT_ONCE])
        answered = asyncio.get_running_loop().create_future()
        number = str(next(self._numbers)).encode()
        self._awaited[number] = answered
        try:
            await self._send(connection, b"PING", [number])
            await answered
        finally:
            self._awaited.pop(number, None)

    async def _send(self, connection: AbstractConnection, command: bytes, arguments: Sequence[bytes]) -> None:
        if not connection.is_connected:  # or sending would connect it anew, behind our back
            raise ConnectionError("the connection is gone")
        await connection.send_command(command, *arguments, check_health=False)

    async def _read(self, connection: AbstractConnection, hear: Hear) -> None:
        asked = False
        while True:
            said = await connection.read_response(disable_decoding=True, timeout=self._patience)
            if said is None:
                if asked:
                    raise TimeoutError("silent")
                await self._send(connection, b"PING", [b"there?"])
            asked = said is None
            if said and said[0] == b"message":
                hear(said[1], said[2])
            elif said and said[0] == b"pong":
                self._pong(said[1])

    def _pong(self, number: bytes) -> None:
        answered = self._awaited.get(number)
        if answered is not None and not answered.done():
            answered.set_result(None)

    def _give_up(self) -> None:
        for answered in self._awaited.values():
            if not answered.done():
                answered.set_exception(ConnectionError("the connection is gone"))

    def _tell_away(self, fault: Exception) -> None:
        if not self._away:
            self._away = True
            # the kind alone: a client's texts may quote the address, and with it a password
            log.warning("channel_away", fault=type(fault).__name__)
