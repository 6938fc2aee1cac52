"""Whether this process is well, and what it has counted: what operators and their tools ask.

`live` says that the process turns. `ready` looks: without its database at a schema that it knows a
role can do nothing, and that is 503; without broker or cache it does its work, late or slower, and says so.
A schema that was migrated under it, for the version that follows, only has more than it needs: it says so too,
or a migration would take every process of the old version out of service at once.
Nothing here tells more than names and fixed words: no address, no credential, no text of an error. Relay
and worker serve this alone, on OPS_PORT; the API answers with the same functions.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sharetally.domain.errors import Forbidden, MethodNotAllowed, Misconfigured, NotFound, SharetallyError
from sharetally.ports import Broker, Cache, Schema, Stop
from sharetally.web.answers import NOSNIFF, Answer, json_answer
from sharetally.web.network import Network, from_networks
from sharetally.web.problems import problem

PATIENCE_SECONDS = 1.0
log = structlog.get_logger("sharetally.health")
T = TypeVar("T")

Report = dict[str, Any]
Exposition = Callable[[], Awaitable[tuple[bytes, str]]]
"""Metrics as text, and their media type."""
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_UNCACHED = ("cache-control", "no-store")
_OK: Report = {"status": "ok"}
_AHEAD: Report = {"status": "ahead", "detail": "migrated for a newer version; this one goes on, update it soon"}


class Health:
    """Looks at what a role needs; however many ask at once, one look answers them."""

    def __init__(
        self,
        database: Schema,
        broker: Broker,
        cache: Cache,
        *,
        known_revision: Callable[[str], bool],
        ahead: Callable[[str], bool],
    ) -> None:
        self._database = database
        self._broker = broker
        self._cache = cache
        self._known_revision = known_revision
        self._ahead = ahead
        self._looking: asyncio.Task[tuple[bool, Report]] | None = None

    def live(self) -> Report:
        """A process that answers is alive."""
        return {"status": "ok"}

    async def ready(self) -> tuple[bool, Report]:
        """Whether it can do its work, and how each thing it needs is; within a second."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> tuple[bool, Report]:
        database, cache = await asyncio.gather(self._look_at_database(), self._look_at_cache())
        checks = {"database": database, "broker": self._look_at_broker(), "cache": cache}
        if database["status"] == "down":
            return False, {"status": "unavailable", "checks": checks}
        well = all(check["status"] == "ok" for check in checks.values())
        return True, {"status": "ok" if well else "degraded", "checks": checks}

    async def _look_at_database(self) -> Report:
        answered, revision = await _within_patience(self._database.revision())
        if not answered:
            return _down("does not answer")
        if revision is None:
            return _down("holds no tables yet; run: sharetally migrate")
        if self._ahead(revision):
            return _AHEAD
        if not self._known_revision(revision):
            return _down("holds a schema that this version does not know; run: sharetally migrate, or update")
        return _OK

    def _look_at_broker(self) -> Report:
        return _OK if self._broker.connected else _down("not connected; events wait in the database")

    async def _look_at_cache(self) -> Report:
        _, answered = await _within_patience(self._cache.ping())
        return _OK if answered else _down("does not answer; counts come from the database")


def _down(detail: str) -> Report:
    return {"status": "down", "detail": detail}


async def _within_patience(answer: Awaitable[T]) -> tuple[bool, T | None]:
    """Whether there was an answer in time, and the answer."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return True, await answer
    except Exception as error:  # whatever is wrong there, the one who asks must hear that it is down
        log.debug("no answer", reason=str(error) or type(error).__name__)
        return False, None


def live_answer(health: Health) -> Answer:
    """`/health/live`."""
    return json_answer(200, health.live(), _UNCACHED)


async def ready_answer(health: Health) -> Answer:
    """`/health/ready` and `/health`."""
    ready, report = await health.ready()
    return json_answer(200 if ready else 503, report, _UNCACHED)


async def metrics_answer(exposition: Exposition) -> Answer:
    """`/metrics`; whoever calls this has looked whether they may see it."""
    body, media_type = await exposition()
    return Answer(status=200, headers=(("content-type", media_type), _UNCACHED), body=body)


# relay and worker: a small application of their own


def ops_app(health: Health, exposition: Exposition, *, networks: Sequence[Network]) -> ASGIApp:
    """`/health`, `/health/live`, `/health/ready` for everybody, `/metrics` for OPS_NETWORKS."""

    async def metrics(scope: Scope) -> Answer:
        if not from_networks(scope, networks):
            raise Forbidden("metrics are for the addresses in OPS_NETWORKS")
        return await metrics_answer(exposition)

    async def answered(scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD"])
        match scope["path"]:
            case "/health/live":
                return live_answer(health)
            case "/health" | "/health/ready":
                return await ready_answer(health)
            case "/metrics":
                return await metrics(scope)
        raise NotFound("no such path; there are /health, /health/live, /health/ready and /metrics")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await answered(scope)
        except SharetallyError as error:
            answer = problem(error, root_path="", request_id="")
        await _send(send, answer, head=scope["method"] == "HEAD")

    return app


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers += [NOSNIFF, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


def ops_hosts(networks: Sequence[Network]) -> tuple[str, ...]:
    """Where to listen: on this machine alone, unless OPS_NETWORKS names somebody beyond it; then on all addresses."""
    if not all(network.is_loopback for network in networks):
        return "0.0.0.0", "::"  # noqa: S104
    return ("127.0.0.1", "::1") if any(network.version == 6 for network in networks) else ("127.0.0.1",)


async def serve_ops(app: ASGIApp, port: int, stop: Stop, *, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
    """Serve until told to stop; `Misconfigured` if the port is taken."""
    listeners = _listening(hosts, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _OpsServer(config)
    serving = asyncio.create_task(server.serve(sockets=listeners))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


def _listening(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A socket for each of these; a machine without IPv6 listens on IPv4 alone."""
    with ExitStack() as stack:
        listeners = list[socket.socket]()
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                listeners.append(stack.enter_context(socket.create_server((host, port), family=family)))
            except OSError as error:
                if family == socket.AF_INET6 and error.errno in _NO_IPV6:
                    continue
                shown = f"[{host}]" if ":" in host else host
                raise Misconfigured(f"OPS_PORT: cannot listen on {shown}:{port}: {error.strerror}") from error
        stack.pop_all()  # the server closes them
        return listeners


class _OpsServer(uvicorn.Server):
    """A server whose role listens to signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the handlers as they are."""
        yield
