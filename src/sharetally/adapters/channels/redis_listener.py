"""A connection to Redis that only listens to topics and restores itself.

One task reads the connection. `add` sends SUBSCRIBE and then PING, and waits for the answer: Redis handles the commands
in order, so from then on no message of the topic is missed. After each connect the task does the same for all topics
and then reports a gap. A server that is silent for `silence_timeout` seconds gets a PING; if it stays silent, the task
closes the connection and opens another.
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
_TOPICS_PER_COMMAND = 1000
_SUBSCRIBE_TIMEOUT_SECONDS = 1.0  # a subscription that takes longer is made good by a reported gap
_REDIS_ERRORS = (RedisError, OSError, EOFError, TimeoutError)
log = structlog.get_logger("sharetally.channel")
OnMessage = Callable[[bytes, bytes], None]


class TopicListener:
    """Receives the messages of the added topics on a connection that `connect` creates."""

    def __init__(self, connect: Callable[[], AbstractConnection], *, silence_timeout: float) -> None:
        self._connect = connect
        self._silence_timeout = silence_timeout
        self._topics: dict[bytes, None] = {}
        self._connection: AbstractConnection | None = None
        self._ping_ids = count()
        self._pending_pings: dict[bytes, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._logged_away = False

    async def open(self, topics: Iterable[bytes], on_message: OnMessage, on_gap: Callable[[], None]) -> None:
        """Start the task that connects, and reconnects for as long as the server is unavailable."""
        self._topics.update(dict.fromkeys(topics))
        if self._task is None:
            self._task = asyncio.create_task(
                self._reconnect_forever(on_message, on_gap), name="sharetally-redis-listening"
            )

    async def close(self) -> None:
        """Close the connection; a repeated call does nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def add(self, topics: Sequence[bytes]) -> None:
        """Subscribe; messages arrive from when this returns, or else from the next reported gap."""
        self._topics.update(dict.fromkeys(topics))
        if self._connection is not None:
            # the reading task meets the same fault, reconnects and reports a gap
            with suppress(Exception):
                async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
                    await self._subscribe(self._connection, topics)

    async def remove(self, topics: Sequence[bytes]) -> None:
        """Unsubscribe from these topics."""
        for topic in topics:
            self._topics.pop(topic, None)
        if self._connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
                    await self._send(self._connection, b"UNSUBSCRIBE", topics)

    async def _reconnect_forever(self, on_message: OnMessage, on_gap: Callable[[], None]) -> None:
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                connection = self._connect()
                try:
                    async with asyncio.timeout(self._silence_timeout):
                        await connection.connect()  # type: ignore[no-untyped-call]
                    self._connection = connection
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._subscribe_all(connection, on_gap))
                        await self._read_messages(connection, on_message)
                except ExceptionGroup as group_error:
                    raise group_error.exceptions[0] from None
                finally:
                    self._connection = None
                    for pong in self._pending_pings.values():
                        if not pong.done():
                            pong.set_exception(ConnectionError("the connection is gone"))
                    with suppress(*_REDIS_ERRORS):
                        await connection.disconnect(nowait=True)
            except _REDIS_ERRORS as error:
                if not self._logged_away:
                    self._logged_away = True
                    # only the class of the error, because its text may quote the URL and with it a password
                    log.warning("channel_away", fault=type(error).__name__)
            except Exception:
                log.exception("channel_failed")  # this task must survive, because nothing else would listen again
            failures = 1 if clock() - started > _BACKOFF.longest else failures + 1
            pause = _BACKOFF.delay(failures) or _BACKOFF.longest
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    async def _subscribe_all(self, connection: AbstractConnection, on_gap: Callable[[], None]) -> None:
        async with asyncio.timeout(self._silence_timeout):
            await self._subscribe(connection, list(self._topics))
        if self._logged_away:
            self._logged_away = False
            log.info("channel_back")
        on_gap()

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
        if not connection.is_connected:  # redis-py would reconnect it without our subscriptions
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
                pong = self._pending_pings.get(response[1])
                if pong is not None and not pong.done():
                    pong.set_result(None)
