"""Health checks and metrics, for operators and their tools.

`live` means that the process responds. `ready` checks what the process needs: without a database whose schema it knows
it can do nothing, so the status is 503; without broker or cache it still works, but later or slower, and reports that.
If the schema was migrated for a newer version, it only has more than this process needs. That is reported too, but it
is not a failure, otherwise a migration would take all old processes out of service at once. Posts that wait because
a platform has ended the version of its API make the process degraded, too.
The reports consist of names and fixed words: no address, no credential, no text of an error. Relay and worker serve
them on OPS_PORT; the API uses the same functions.
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

from sharetally.domain.errors import ConfigurationError, Forbidden, MethodNotAllowed, NotFound, SharetallyError
from sharetally.ports import Broker, Cache, Schema, Stop
from sharetally.web.network import Network, is_from_networks
from sharetally.web.problems import problem
from sharetally.web.responses import NOSNIFF, Response, json_response

TIMEOUT_SECONDS = 1.0
log = structlog.get_logger("sharetally.health")
T = TypeVar("T")

Report = dict[str, Any]
Exposition = Callable[[], Awaitable[tuple[bytes, str]]]
"""Metrics as text, and their media type."""
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_NO_STORE = ("cache-control", "no-store")
_OK: Report = {"status": "ok"}
_AHEAD: Report = {
    "status": "ahead",
    "detail": "the schema belongs to a newer version; this process still works, update it soon",
}


class Health:
    """Checks what a role needs; requests that arrive during a check share its result."""

    def __init__(
        self,
        schema: Schema,
        broker: Broker,
        cache: Cache,
        *,
        known_revision: Callable[[str], bool],
        ahead: Callable[[str], bool],
        ended_versions: Callable[[], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        self._schema = schema
        self._broker = broker
        self._cache = cache
        self._known_revision = known_revision
        self._ahead = ahead
        self._ended_versions = ended_versions
        self._running_check: asyncio.Task[tuple[bool, Report]] | None = None

    def live(self) -> Report:
        """The report of a live process: it responds, so it is alive."""
        return {"status": "ok"}

    async def ready(self) -> tuple[bool, Report]:
        """Whether the process can work, and the state of everything that it needs; within a second."""
        if self._running_check is None or self._running_check.done():
            self._running_check = asyncio.create_task(self._check_all())
        return await asyncio.shield(self._running_check)

    async def _check_all(self) -> tuple[bool, Report]:
        database, cache = await asyncio.gather(self._check_database(), self._check_cache())
        broker = _OK if self._broker.connected else _down("is not connected; events wait in the database")
        checks = {"database": database, "broker": broker, "cache": cache}
        if database["status"] == "down":
            return False, {"status": "unavailable", "checks": checks}
        if self._ended_versions is not None:
            checks["posting"] = await self._check_posting(self._ended_versions)
        healthy = all(check["status"] == "ok" for check in checks.values())
        return True, {"status": "ok" if healthy else "degraded", "checks": checks}

    async def _check_database(self) -> Report:
        in_time, revision = await _within_timeout(self._schema.revision())
        if not in_time:
            return _down("does not answer")
        if revision is None:
            return _down("has no tables yet; run: sharetally migrate")
        if self._ahead(revision):
            return _AHEAD
        if not self._known_revision(revision):
            return _down("has a schema that this version does not know; run: sharetally migrate, or update Sharetally")
        return _OK

    async def _check_cache(self) -> Report:
        _, alive = await _within_timeout(self._cache.ping())
        return _OK if alive else _down("does not answer; counts are read from the database")

    async def _check_posting(self, ended_versions: Callable[[], Awaitable[Sequence[str]]]) -> Report:
        _, ended = await _within_timeout(ended_versions())
        if not ended:
            return _OK
        return {"status": "paused", "detail": f"{', '.join(ended)} has ended; posts wait until a newer version is set"}


def _down(detail: str) -> Report:
    return {"status": "down", "detail": detail}


async def _within_timeout(response: Awaitable[T]) -> tuple[bool, T | None]:
    """Whether a result arrived in time, and the result."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return True, await response
    except Exception as error:  # whatever the error is, the report must say that this part is down
        log.debug("no answer", reason=str(error) or type(error).__name__)
        return False, None


def liveness_response(health: Health) -> Response:
    """The response of `/health/live`."""
    return json_response(200, health.live(), _NO_STORE)


async def readiness_response(health: Health) -> Response:
    """The response of `/health/ready` and `/health`."""
    ready, report = await health.ready()
    return json_response(200 if ready else 503, report, _NO_STORE)


async def metrics_response(exposition: Exposition) -> Response:
    """The response of `/metrics`; the caller of this function has checked who may read it."""
    body, media_type = await exposition()
    return Response(status=200, headers=(("content-type", media_type), _NO_STORE), body=body)


# relay and worker serve a small application of their own


def ops_app(health: Health, exposition: Exposition, *, networks: Sequence[Network]) -> ASGIApp:
    """`/health`, `/health/live`, `/health/ready` for everybody, `/metrics` for OPS_NETWORKS."""

    async def respond(scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD"])
        match scope["path"]:
            case "/health/live":
                return liveness_response(health)
            case "/health" | "/health/ready":
                return await readiness_response(health)
            case "/metrics":
                if not is_from_networks(scope, networks):
                    raise Forbidden("metrics can only be read from the networks in OPS_NETWORKS")
                return await metrics_response(exposition)
        raise NotFound("there is no such path; try /health, /health/live, /health/ready or /metrics")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await respond(scope)
        except SharetallyError as error:
            response = problem(error, root_path="", request_id="")
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        headers += [NOSNIFF, (b"content-length", str(len(response.body)).encode())]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    return app


def ops_hosts(networks: Sequence[Network]) -> tuple[str, ...]:
    """The addresses to listen on: only this machine, unless OPS_NETWORKS contains other addresses."""
    if not all(network.is_loopback for network in networks):
        return "0.0.0.0", "::"  # noqa: S104
    return ("127.0.0.1", "::1") if any(network.version == 6 for network in networks) else ("127.0.0.1",)


async def serve_ops(app: ASGIApp, port: int, stop: Stop, *, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
    """Serve until `stop` is set; `ConfigurationError` if the port is taken."""
    listeners = _listen(hosts, port)
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


def _listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """One listening socket per host; a machine without IPv6 listens on IPv4 only."""
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
                raise ConfigurationError(f"OPS_PORT: cannot listen on {shown}:{port}: {error.strerror}") from error
        stack.pop_all()  # the server closes them
        return listeners


class _OpsServer(uvicorn.Server):
    """A server that leaves signals to its role."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield
