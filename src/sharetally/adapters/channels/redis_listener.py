"""One connection to Redis that only listens, and comes back by itself.

One task reads. Who adds a topic sends a PING behind the subscription and waits for its answer: Redis does one thing
after the other, so from then on nothing of the topic is missed. After each connect the same is done for all topics,
and then a gap is told. A server that says nothing for `silence_timeout` seconds is asked, and left if it stays silent.
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

_BACKOFF = Backoff(first=0.1, longest=2.0)
_TOPICS_PER_COMMAND = 1000  # topics in one command
_SUBSCRIBE_TIMEOUT_SECONDS = 1.0  # seconds for a subscription to take hold; without it the gap is told later
_REDIS_ERRORS = (RedisError, OSError, EOFError, TimeoutError)
log = structlog.get_logger("sharetally.channel")
OnMessage = Callable[[bytes, bytes], None]


class TopicListener:
    """Hears of the topics that were added, on a connection that `connect` makes."""

    def __init__(self, connect: Callable[[], AbstractConnection], *, silence_timeout: float) -> None:
        self._connect = connect
        self._silence_timeout = silence_timeout
        self._topics: dict[bytes, None] = {}
        self._connection: AbstractConnection | None = None
        self._ping_ids = count()
        self._pending_pings: dict[bytes, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._logged_away = False

    async def open(self, topics: Iterable[bytes], on_message: OnMessage, gapped: Callable[[], None]) -> None:
        """Begin; a server that is away is tried again and again."""
        self._topics.update(dict.fromkeys(topics))
        if self._task is None:
            self._task = asyncio.create_task(
                self._reconnect_forever(on_message, gapped), name="sharetally-redis-listening"
            )

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
                async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
                    await self._subscribe(self._connection, topics)

    async def remove(self, topics: Sequence[bytes]) -> None:
        """Hear of these no longer."""
        for topic in topics:
            self._topics.pop(topic, None)
        if self._connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
                    await self._send(self._connection, b"UNSUBSCRIBE", topics)

    async def _reconnect_forever(self, on_message: OnMessage, gapped: Callable[[], None]) -> None:
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                await self._listen(on_message, gapped)
            except _REDIS_ERRORS as error:
                self._log_away(error)
            except Exception:
                log.exception("channel_failed")  # nobody but this task would ever listen again
            failures = 1 if clock() - started > _BACKOFF.longest else failures + 1
            pause = _BACKOFF.delay(failures) or _BACKOFF.longest
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    async def _listen(self, on_message: OnMessage, gapped: Callable[[], None]) -> None:
        connection = self._connect()
        try:
            async with asyncio.timeout(self._silence_timeout):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._connection = connection
            async with asyncio.TaskGroup() as group:
                group.create_task(self._subscribe_all(connection, gapped))
                await self._read_messages(connection, on_message)
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None
        finally:
            self._connection = None
            self._fail_pending_pings()
            with suppress(*_REDIS_ERRORS):
                await connection.disconnect(nowait=True)

    async def _subscribe_all(self, connection: AbstractConnection, gapped: Callable[[], None]) -> None:
        async with asyncio.timeout(self._silence_timeout):
            await self._subscribe(connection, list(self._topics))
        if self._logged_away:
            self._logged_away = False
            log.info("channel_back")
        gapped()

    async def _subscribe(self, connection: AbstractConnection, topics: Sequence[bytes]) -> None:
        for start in range(0, len(topics), _TOPICS_PER_COMMAND):
            await self._send(connection, b"SUBSCRIBE", topics[start : start + _TOPICS_PER_COMMAND])
        pong = asyncio.get_running_loop().create_future()
        ping_id = str(next(self._ping_ids)).encode()
        self._pending_pings[ping_id] = pong
        try:
            await self._send(connection, b"PING", [ping_id])
            await pong
        finally:
            self._pending_pings.pop(ping_id, None)

    async def _send(self, connection: AbstractConnection, command: bytes, arguments: Sequence[bytes]) -> None:
        if not connection.is_connected:  # or sending would connect it anew, behind our back
            raise ConnectionError("the connection is gone")
        await connection.send_command(command, *arguments, check_health=False)

    async def _read_messages(self, connection: AbstractConnection, on_message: OnMessage) -> None:
        pinged = False
        while True:
            response = await connection.read_response(disable_decoding=True, timeout=self._silence_timeout)
            if response is None:
                if pinged:
                    raise TimeoutError("silent")
                await self._send(connection, b"PING", [b"there?"])
            pinged = response is None
            if response and response[0] == b"message":
                on_message(response[1], response[2])
            elif response and response[0] == b"pong":
                self._resolve_ping(response[1])

    def _resolve_ping(self, ping_id: bytes) -> None:
        pong = self._pending_pings.get(ping_id)
        if pong is not None and not pong.done():
            pong.set_result(None)

    def _fail_pending_pings(self) -> None:
        for pong in self._pending_pings.values():
            if not pong.done():
                pong.set_exception(ConnectionError("the connection is gone"))

    def _log_away(self, error: Exception) -> None:
        if not self._logged_away:
            self._logged_away = True
            # the kind alone: a client's texts may quote the address, and with it a password
            log.warning("channel_away", fault=type(error).__name__)
