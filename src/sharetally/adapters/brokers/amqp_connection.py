"""A connection to RabbitMQ that comes back by itself.

`amqp.py` owns two: what publishes may be blocked by the broker, what consumes must not suffer from it.
Each is kept by one task that connects, has built on it what it is for, waits until that is lost, and begins
again after a growing pause. Guarantees: no step waits longer than its time-out, a peer that says nothing for
about 20 seconds is taken for dead, faults leave as `BrokerUnavailable`, and no text here holds a password.
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
_CLOSE_TIMEOUT_SECONDS = 3.0  # seconds to say goodbye in
log = structlog.get_logger("sharetally.broker")


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerAddress:
    """Where RabbitMQ is; `name` may be shown, `url` holds the password. Time-outs are in seconds."""

    url: URL = field(repr=False)
    name: str
    step_timeout: float

    @classmethod
    def parse(cls, url: str, *, step_timeout: float, heartbeat: int) -> BrokerAddress:
        """Read an `amqp://` or `amqps://` URL; `ConfigurationError` if it is none."""
        try:
            parsed = URL(url).update_query(heartbeat=str(heartbeat))
        except (ValueError, TypeError):
            parsed = URL()
        if parsed.scheme not in ("amqp", "amqps") or not parsed.host:
            # without its cause: that may quote the password
            raise ConfigurationError("BROKER_URL: not an AMQP address; amqp:// and amqps:// are")
        return cls(url=parsed, name=f"{parsed.host}{parsed.path}", step_timeout=step_timeout)


class ConnectionBound(Protocol):
    """What is built on a connection: while it is not closed it can be used."""

    @property
    def closing(self) -> asyncio.Future[Any]: ...

    @property
    def is_closed(self) -> bool: ...


K = TypeVar("K", bound=ConnectionBound)


class ReconnectingConnection(Generic[K]):
    """Keeps a K on a connection of its own: `build` makes it anew after each connect."""

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
        """What can be used just now."""
        return None if self._current is None or self._current.is_closed else self._current

    def require(self) -> K:
        """What can be used just now, or `BrokerUnavailable`."""
        if (current := self.current) is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        return current

    async def open(self) -> None:
        """Begin, and wait for how the first try ends; if it fails, go on trying."""
        if self._task is None:
            self._first_attempt.clear()
            self._task = asyncio.create_task(self._reconnect_forever(), name=f"sharetally-amqp-{self._purpose}")
        await self._first_attempt.wait()

    async def close(self) -> None:
        """Leave the connection; repeating is fine."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def drop(self) -> None:
        """Give up a connection that does not answer; another follows."""
        self._transport.abort()

    async def _reconnect_forever(self) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            await self._serve_connection()
            # a connection that dies as soon as it is made must not be made ten times a second
            failures = 1 if clock() - began > _BACKOFF.longest else failures + 1
            pause = _BACKOFF.delay(failures) or _BACKOFF.longest
            # not all processes at once after a restart of the broker
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    async def _serve_connection(self) -> None:
        """Connect, build, and stay until it is lost."""
        try:
            async with self._connection() as connection:
                self._current = current = await self._build(connection)
                self._logged_unreachable = False
                self._log.info("broker_connected")
                self._first_attempt.set()
                await asyncio.wait({closing := current.closing})
                self._log.warning("broker_lost", reason=_reason(closing))
        except BrokerUnavailable as error:
            self._log_unreachable(error)
        except Exception:
            # nobody but this task would ever connect again
            self._log.exception("broker_connection_failed")
        finally:
            self._current = None
            self._first_attempt.set()

    def _log_unreachable(self, error: BrokerUnavailable) -> None:
        if not self._logged_unreachable:
            self._logged_unreachable = True
            self._log.warning("broker_unreachable", reason=error.detail)

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
                await _connect(connection)
            yield connection
        finally:
            await self._disconnect(connection)

    async def _disconnect(self, connection: Connection) -> None:
        try:
            with suppress(BrokerUnavailable):
                async with broker_step("leave", within=_CLOSE_TIMEOUT_SECONDS):
                    await connection.close(AMQPConnectionError("left"))
        finally:
            self._transport.abort()


async def _connect(connection: Connection) -> None:
    try:
        await connection.connect()
    except StopAsyncIteration as error:  # how aiormq says that its peer left in mid-handshake
        raise ConnectionError("the connection ended in its handshake") from error


class _Transport(TransportFactory):
    """A socket that can be cut: closing one whose peer is silent would wait for the peer."""

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
    """A step that needs the broker: its faults, and taking longer than this, are `BrokerUnavailable`.

    So is every exception of a class that nobody expects, because aiormq has no class for some of its faults: it fails
    whatever is pending on a channel that ends without a reason with a bare `Exception`. Our own errors pass unchanged.
    """
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError as error:
        raise BrokerUnavailable(f"{step}: RabbitMQ did not answer in {within:g} s") from error
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(f"{step}: {type(error).__name__}: {error}") from error
    except asyncio.CancelledError as error:
        # aiormq cancels what waits on a connection that ends; only what somebody asked of us goes on
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
    """A channel for one errand: a refused one closes its channel, and must not take another's with it."""
    async with broker_step("open a channel", within=within):
        channel = await connection.channel(publisher_confirms=False)
    try:
        yield channel
    finally:
        with suppress(BrokerUnavailable):
            async with broker_step("close a channel", within=_CLOSE_TIMEOUT_SECONDS):
                await channel.close()


def publishing_blocked(connection: Connection) -> bool:
    """Whether the broker has told us not to publish: its memory or disk alarm is on."""
    # aiormq tells it only to those who wait for it to end; one step of waiting tells it at once
    readiness = connection.ready()
    try:
        readiness.send(None)
    except StopIteration:
        return False
    finally:
        readiness.close()
    return True


def _reason(closing: asyncio.Future[Any]) -> str:
    error = None if closing.cancelled() else closing.exception()
    return f"{type(error).__name__}: {error}" if error else "closed"
