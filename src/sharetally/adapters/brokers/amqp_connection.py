"""A connection to RabbitMQ that restores itself.

`amqp.py` owns two of them, because RabbitMQ may block a connection that publishes, and consuming must not suffer
from that. One task keeps each connection: it connects, builds the object that the connection is for, waits until
that object is lost, and starts over after a growing pause. Guarantees: no step takes longer than its time-out; a
server that is silent for about 20 seconds is taken for dead; every fault is raised as `BrokerUnavailable`; and no
message written here contains a password.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import structlog
from aiormq import AMQPConnectionError, AMQPError, Connection, TransportFactory
from aiormq.abc import AbstractChannel
from pamqp.exceptions import PAMQPException
from yarl import URL

from sharetally.domain.backoff import Backoff
from sharetally.domain.errors import BrokerUnavailable, ConfigurationError, SharetallyError

_BROKER_ERRORS = (AMQPError, PAMQPException, OSError, EOFError, RuntimeError, asyncio.InvalidStateError)
_BACKOFF = Backoff(first=0.2, longest=5.0)
_CLOSE_TIMEOUT_SECONDS = 3.0  # for the closing handshake
log = structlog.get_logger("sharetally.broker")


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerAddress:
    """Where RabbitMQ is: `url` contains the password, `name` is safe to log. Time-outs are in seconds."""

    url: URL = field(repr=False)
    name: str
    step_timeout: float

    @classmethod
    def parse(cls, url: str, *, step_timeout: float, heartbeat: int) -> BrokerAddress:
        """Read an `amqp://` or `amqps://` URL; `ConfigurationError` if it is not one."""
        try:
            parsed = URL(url).update_query(heartbeat=str(heartbeat))
        except (ValueError, TypeError):
            parsed = URL()
        if parsed.scheme not in ("amqp", "amqps") or not parsed.host:
            # without the cause, which may quote the password
            raise ConfigurationError("BROKER_URL: not an AMQP address; use amqp://… or amqps://…")
        return cls(url=parsed, name=f"{parsed.host}{parsed.path}", step_timeout=step_timeout)


class ConnectionBound(Protocol):
    """An object that is built on a connection and usable until it is closed."""

    @property
    def closing(self) -> asyncio.Future[Any]: ...

    @property
    def is_closed(self) -> bool: ...


K = TypeVar("K", bound=ConnectionBound)


class ReconnectingConnection(Generic[K]):
    """Keeps one K on its own connection; `build` creates a new one after each connect."""

    def __init__(self, address: BrokerAddress, purpose: str, build: Callable[[Connection], Awaitable[K]]) -> None:
        self._address = address
        self._purpose = purpose
        self._build = build
        self._current: K | None = None
        self._first_attempt = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._logged_unreachable = False
        self._transport = _Transport()
        self._log = structlog.get_logger("sharetally.broker").bind(broker=address.name, purpose=purpose)

    @property
    def current(self) -> K | None:
        """The object that is usable now, or None."""
        return None if self._current is None or self._current.is_closed else self._current

    def require(self) -> K:
        """The object that is usable now; raises `BrokerUnavailable` if there is none."""
        if (current := self.current) is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        return current

    async def open(self) -> None:
        """Start connecting and wait for the end of the first attempt; after a failure, retry in the background."""
        if self._task is None:
            self._first_attempt.clear()
            self._task = asyncio.create_task(self._reconnect_forever(), name=f"sharetally-amqp-{self._purpose}")
        await self._first_attempt.wait()

    async def close(self) -> None:
        """Close the connection; a repeated call does nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def drop(self) -> None:
        """Abort a connection that does not respond; the task then opens another."""
        self._transport.abort()

    async def _reconnect_forever(self) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            connect_time = clock()
            try:
                async with self._connection() as connection:
                    self._current = current = await self._build(connection)
                    self._logged_unreachable = False
                    self._log.info("broker_connected")
                    self._first_attempt.set()
                    await asyncio.wait({closing := current.closing})
                    error = None if closing.cancelled() else closing.exception()
                    self._log.warning("broker_lost", reason=f"{type(error).__name__}: {error}" if error else "closed")
            except BrokerUnavailable as unavailable:
                if not self._logged_unreachable:
                    self._logged_unreachable = True
                    self._log.warning("broker_unreachable", reason=unavailable.detail)
            except Exception:
                # this task must survive, because nothing else would reconnect
                self._log.exception("broker_connection_failed")
            finally:
                self._current = None
                self._first_attempt.set()
            # a connection that is lost soon after it was made counts as a failure too, so that the pause grows
            failures = 1 if clock() - connect_time > _BACKOFF.longest else failures + 1
            pause = _BACKOFF.delay(failures) or _BACKOFF.longest
            # random, so that after a restart of the broker not all processes connect at once
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        self._transport = _Transport()
        connection = Connection(
            self._address.url,
            transport_factory=self._transport,
            client_properties={"connection_name": f"sharetally {self._purpose}"},
        )
        try:
            async with broker_step("connect", within=self._address.step_timeout):
                try:
                    await connection.connect()
                except StopAsyncIteration as error:  # aiormq raises it if the peer leaves in mid-handshake
                    raise ConnectionError("the connection ended in its handshake") from error
            yield connection
        finally:
            try:
                with suppress(BrokerUnavailable):
                    async with broker_step("leave", within=_CLOSE_TIMEOUT_SECONDS):
                        await connection.close(AMQPConnectionError("left"))
            finally:
                self._transport.abort()


class _Transport(TransportFactory):
    """Creates the socket and can abort it; a regular close would wait for a silent peer."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = await kwargs["ssl_context_provider"].get_context() if url.scheme == "amqps" else None
        reader, self._writer = await asyncio.open_connection(url.host, url.port, ssl=tls)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


@asynccontextmanager
async def broker_step(step: str, *, within: float) -> AsyncIterator[None]:
    """Run one step that needs RabbitMQ; its faults and its time-out are raised as `BrokerUnavailable`.

    An exception of an unexpected class also becomes `BrokerUnavailable`, because aiormq has no class for some faults:
    when a channel ends without a reason, it fails everything pending on it with a bare `Exception`. Our own errors
    pass unchanged.
    """
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError as error:
        raise BrokerUnavailable(f"{step}: RabbitMQ did not answer in {within:g} s") from error
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(f"{step}: {type(error).__name__}: {error}") from error
    except asyncio.CancelledError as error:
        # aiormq cancels whatever waits on a connection that ends; only a cancellation of this task is passed on
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        raise BrokerUnavailable(f"{step}: the connection ended") from error
    except SharetallyError:
        raise
    except Exception as error:
        if type(error) is Exception:
            raise BrokerUnavailable(f"{step}: the channel ended") from error
        log.exception("broker_unexpected_error", step=step)
        raise BrokerUnavailable(f"{step}: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def temporary_channel(connection: Connection, *, within: float) -> AsyncIterator[AbstractChannel]:
    """A channel for a single operation: RabbitMQ closes a channel on which an operation is refused."""
    async with broker_step("open a channel", within=within):
        channel = await connection.channel(publisher_confirms=False)
    try:
        yield channel
    finally:
        with suppress(BrokerUnavailable):
            async with broker_step("close a channel", within=_CLOSE_TIMEOUT_SECONDS):
                await channel.close()


def publishing_blocked(connection: Connection) -> bool:
    """Whether RabbitMQ blocks publishing on this connection because its memory or disk alarm is on."""
    # aiormq only offers a coroutine that waits for the end of the alarm; if its first step finishes, there is none
    readiness = connection.ready()
    try:
        readiness.send(None)
    except StopIteration:
        return False
    finally:
        readiness.close()
    return True
