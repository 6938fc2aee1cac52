"""The long-running roles: serve, worker and relay.

On SIGTERM and Ctrl-C each role finishes what it is doing and exits with 0; it exits with 1 if one of its tasks broke.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog
import uvicorn

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.caches.none import NoCache
from sharetally.adapters.databases.database import database_from_url
from sharetally.adapters.logs import configure
from sharetally.adapters.metrics import PrometheusMeter, open_meter, shared_directory
from sharetally.adapters.migrations import HEAD
from sharetally.asgi import METRICS_DIRECTORY_VARIABLE, create_app
from sharetally.domain.errors import ConfigurationError
from sharetally.flow.delivery.nudge import QUEUE as DELIVERIES
from sharetally.ports import Database
from sharetally.settings import Settings, check_roles, ensure_secret
from sharetally.web.ops import Health, ops_app, ops_hosts, serve_ops
from sharetally.web.serving.connection import HttpConnection
from sharetally.web.serving.server import Server
from sharetally.web.serving.websocket import WebSocketConnection
from sharetally.wiring import Core, allowed_platforms, check_database_exists, check_schema
from sharetally.wiring_http import issue_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHUTDOWN_GRACE_SECONDS = 10
PING_SECONDS = 30.0  # between two pings, and until a live client that does not answer one is cut off
MAX_MESSAGE_BYTES = 256 * 1024  # of a live client: room for 200 content items with the longest ids
log = structlog.get_logger("sharetally")


def serve(settings: Settings, *, host: str, port: int, processes: int, welcome: bool) -> None:
    """Serve HTTP until a signal stops the process."""
    configure(settings.log_level, settings.log_format)
    check_roles(settings, processes=processes, role="serve")
    settings = ensure_secret(settings)
    allowed_platforms(settings)
    asyncio.run(_check_database(settings))
    with suppress(KeyboardInterrupt):
        if processes > 1:
            _serve_many(server_config("sharetally.asgi:create_served_app", host, port, processes))
        else:
            app = create_app(settings)
            # uvicorn raises the signal again after it has stopped, and a broken task stops the process with SIGTERM too
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1 if app.broken else 0))
            Server(server_config(app, host, port, 1), _welcome_printer(settings, host, port) if welcome else None).run()


async def _check_database(settings: Settings) -> None:
    check_database_exists(settings)
    database = database_from_url(settings.database_url)
    await database.open()
    try:
        await check_schema(await database.schema.revision())
    finally:
        await database.close()


def server_config(app: object, host: str, port: int, processes: int) -> uvicorn.Config:
    """The configuration of the HTTP server; `app` is an application, or the import path of a factory."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        workers=processes,
        factory=isinstance(app, str),
        loop="uvloop",
        http=HttpConnection,
        ws=WebSocketConnection,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
    )


def _serve_many(config: uvicorn.Config) -> None:
    """Serve with several processes on one socket; they share metrics through a directory that is removed at the end."""
    from sharetally.web.serving.processes import Supervisor

    listening_socket = config.bind_socket()
    try:
        with shared_directory() as directory:
            os.environ[METRICS_DIRECTORY_VARIABLE] = str(directory)
            Supervisor(config, [listening_socket]).run()
    finally:
        listening_socket.close()


def _welcome_printer(settings: Settings, host: str, port: int) -> Callable[[], None]:
    base_url = f"http://{host}:{port}{settings.root_path}"

    def print_welcome() -> None:
        token = issue_token(
            settings, user="demo", scopes=frozenset({"shares", "audit", "analytics", "admin"}), ttl=86_400
        )
        print(  # noqa: T201, printing is the purpose of --welcome
            f"\nSharetally runs at {base_url}\n\n"
            f"  demo page   {base_url}/demo#token={token}\n"
            f"  API         {base_url}/docs\n"
            f"  console     {base_url}/console (run `sharetally console` for a sign-in link)\n\n"
            f"Token for the user 'demo', valid for 24 hours:\n\n{token}\n\n"
            f"To share a video, run:\n\n"
            f"curl -X POST {base_url}/videos/dQw4w9WgXcQ/share -H 'Authorization: Bearer {token}' "
            f"-H 'Content-Type: application/json' -d '{{\"platforms\": [\"twitter\"]}}'\n",
            flush=True,
        )

    return print_welcome


async def run_workers(settings: Settings, names: Sequence[str]) -> None:
    """Run the workers of these consumers, or of all consumers if no name is given."""
    async with _running_role(settings, "worker") as (core, stop):
        known = {consumer.queue.name: consumer for consumer in core.consumers}
        offered = [*known, DELIVERIES.name]
        unknown_names = [name for name in names if name not in offered]
        if unknown_names:
            raise ConfigurationError(
                f"--consumers: unknown {', '.join(unknown_names)}; choose from {', '.join(offered)}"
            )
        wanted = list(names or offered)
        workers = [core.start(core.worker(known[name]).run(stop), f"worker {name}") for name in wanted if name in known]
        if DELIVERIES.name in wanted:
            workers.append(core.start(core.delivery_loop().run(stop), DELIVERIES.name))
        log.info("working", queues=wanted)
        await asyncio.wait(workers)


async def run_relay(settings: Settings) -> None:
    """Run the relay."""
    async with _running_role(settings, "relay") as (core, stop):
        core.start(core.relay().run(), "relay")
        core.start_account_keeper()
        log.info("relaying")
        await stop.wait()


@asynccontextmanager
async def _running_role(settings: Settings, role: str) -> AsyncIterator[tuple[Core, asyncio.Event]]:
    configure(settings.log_level, settings.log_format)
    check_roles(settings, processes=1, role=role)  # type: ignore[arg-type]
    stop = _stop_on_signals()
    async with Core(settings, role=role) as core:
        if settings.ops_port is not None:
            app = ops_app(core.health, core.exposition, networks=settings.ops_networks)
            hosts = ops_hosts(settings.ops_networks)
            core.start(serve_ops(app, settings.ops_port, stop, hosts=hosts), "ops")
        yield core, stop
    if core.broken:
        sys.exit(1)


@asynccontextmanager
async def drift_watch(settings: Settings, database: Database) -> AsyncIterator[tuple[PrometheusMeter, asyncio.Event]]:
    """For `verify --every`: exports metrics on OPS_PORT, and yields the meter and the event that asks to stop."""
    configure(settings.log_level, settings.log_format)
    stop, meter, no_broker = _stop_on_signals(), open_meter(None, "verify"), MemoryBroker()
    await no_broker.open(())

    async def exposition() -> tuple[bytes, str]:
        return await meter.exposition(database.events, no_broker, ())

    async with asyncio.TaskGroup() as group:
        if settings.ops_port is not None:
            app = ops_app(
                Health(database.schema, no_broker, NoCache(), known_revision=HEAD.__eq__, ahead=HEAD.__lt__),
                exposition,
                networks=settings.ops_networks,
            )
            group.create_task(serve_ops(app, settings.ops_port, stop, hosts=ops_hosts(settings.ops_networks)))
        yield meter, stop


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    return stop
