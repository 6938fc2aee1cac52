"""Health shows the state without revealing secrets; metrics are only for those who may see them."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, cast

import anyio
import httpx2
import msgspec
import pytest
from starlette.types import Message, Scope

from sharetally.domain.errors import ConfigurationError, Unavailable
from sharetally.ports import Broker, Cache, Schema
from sharetally.web import ops
from sharetally.web.api.operation.schemas import HealthBody
from sharetally.web.network import Network
from sharetally.web.ops import Health, ops_app, ops_hosts, serve_ops
from tests.services.launch import free_port

pytestmark = pytest.mark.anyio

SECRET = "hunter2"
LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
KNOWN = frozenset({"0001", "0002"})


class FakeSchema:
    """A database of which only the revision is there: an error is raised, an event waited for."""

    def __init__(self, revision: str | Exception | asyncio.Event | None = "0002") -> None:
        self.stands_at = revision
        self.asked = 0

    async def revision(self) -> str | None:
        self.asked += 1
        if isinstance(self.stands_at, asyncio.Event):
            await self.stands_at.wait()
            return "0002"
        if isinstance(self.stands_at, Exception):
            raise self.stands_at
        return self.stands_at


class FakeBroker:
    """A broker that is connected, or is not."""

    def __init__(self, *, connected: bool = True) -> None:
        self.connected = connected


class FakeCache:
    """A cache that answers, does not, or fails."""

    def __init__(self, answer: bool | Exception = True) -> None:
        self.answer = answer

    async def ping(self) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def health(
    database: FakeSchema | None = None, broker: FakeBroker | None = None, cache: FakeCache | None = None
) -> Health:
    return Health(
        cast(Schema, database or FakeSchema()),
        cast(Broker, broker or FakeBroker()),
        cast(Cache, cache or FakeCache()),
        known_revision=KNOWN.__contains__,
        ahead=max(KNOWN).__lt__,
    )


async def counted() -> tuple[bytes, str]:
    """A fake exposition."""
    return b"sharetally_drift 0\n", "text/plain; version=0.0.4"


# what the parts say


async def test_all_is_well() -> None:
    ready, report = await health().ready()
    assert ready
    assert report == {
        "status": "ok",
        "checks": {"database": {"status": "ok"}, "broker": {"status": "ok"}, "cache": {"status": "ok"}},
    }


@pytest.mark.parametrize(
    "fault",
    [Unavailable(f"cannot reach postgresql://app:{SECRET}@db"), OSError(SECRET), RuntimeError(SECRET)],
    ids=["unavailable", "os", "bug"],
)
async def test_without_its_database_it_is_not_ready(fault: Exception) -> None:
    ready, report = await health(FakeSchema(fault)).ready()
    assert not ready
    assert report["status"] == "unavailable"
    assert report["checks"]["database"] == {"status": "down", "detail": "does not answer"}
    assert report["checks"]["broker"] == {"status": "ok"}
    assert SECRET not in json.dumps(report)


async def test_a_database_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "TIMEOUT_SECONDS", 0.01)
    with anyio.fail_after(5):
        ready, report = await health(FakeSchema(asyncio.Event())).ready()
    assert not ready
    assert report["checks"]["database"]["status"] == "down"


@pytest.mark.parametrize(("revision", "told"), [(None, "no tables yet"), ("0000", "does not know")])
async def test_at_a_schema_that_it_does_not_know_it_is_not_ready(revision: str | None, told: str) -> None:
    ready, report = await health(FakeSchema(revision)).ready()
    assert not ready
    assert told in report["checks"]["database"]["detail"]
    assert "sharetally migrate" in report["checks"]["database"]["detail"]


async def test_it_keeps_working_and_reports_a_schema_of_the_next_version() -> None:
    ready, report = await health(FakeSchema("9999")).ready()
    assert ready
    assert report["status"] == "degraded"
    assert report["checks"]["database"]["status"] == "ahead"
    assert "update it" in report["checks"]["database"]["detail"]


@pytest.mark.parametrize("revision", ["0002", "9999", "0000", None, OSError()], ids=repr)
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("answers", [True, OSError()], ids=repr)
async def test_every_reported_field_is_in_the_openapi_document(
    revision: str | Exception | None, connected: bool, answers: bool | Exception
) -> None:
    broker = FakeBroker()
    broker.connected = connected
    asked = health(FakeSchema(revision), broker, FakeCache(answers))
    for report in ((await asked.ready())[1], asked.live()):
        assert msgspec.to_builtins(msgspec.convert(report, HealthBody)) == report


async def test_an_older_known_revision_is_accepted() -> None:
    ready, _ = await health(FakeSchema("0001")).ready()
    assert ready


async def test_without_a_broker_it_is_degraded_and_ready() -> None:
    ready, report = await health(broker=FakeBroker(connected=False)).ready()
    assert ready
    assert report["status"] == "degraded"
    assert report["checks"]["broker"]["status"] == "down"
    assert report["checks"]["database"] == report["checks"]["cache"] == {"status": "ok"}


@pytest.mark.parametrize("answer", [False, ConnectionResetError(SECRET)])
async def test_without_a_cache_it_is_degraded_and_ready(answer: bool | Exception) -> None:
    ready, report = await health(cache=FakeCache(answer)).ready()
    assert ready
    assert report["status"] == "degraded"
    assert report["checks"]["cache"]["status"] == "down"
    assert SECRET not in json.dumps(report)


async def test_it_is_ready_again_when_the_database_is_back() -> None:
    database = FakeSchema(Unavailable())
    checking = health(database)
    assert not (await checking.ready())[0]
    database.stands_at = "0002"
    assert (await checking.ready())[0]


async def test_concurrent_requests_share_one_check() -> None:
    answer = asyncio.Event()
    database = FakeSchema(answer)
    checking = health(database)
    found: list[bool] = []

    async def ask() -> None:
        found.append((await checking.ready())[0])

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        answer.set()
    assert found == [True] * 10
    assert database.asked == 1


async def test_a_cancelled_request_does_not_cancel_the_check_for_others() -> None:
    answer = asyncio.Event()
    checking = health(FakeSchema(answer))
    impatient = asyncio.ensure_future(checking.ready())
    patient = asyncio.ensure_future(checking.ready())
    await anyio.wait_all_tasks_blocked()
    impatient.cancel()
    with suppress(asyncio.CancelledError):
        await impatient
    answer.set()
    assert (await patient)[0]


async def test_alive_is_alive_without_a_database() -> None:
    assert health(FakeSchema(Unavailable())).live() == {"status": "ok"}


# relay's and worker's application


@dataclass(frozen=True, kw_only=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    path: str,
    *,
    method: str = "GET",
    client: str = "127.0.0.1",
    headers: Sequence[tuple[bytes, bytes]] = (),
    well: Health | None = None,
    networks: Sequence[Network] = LOCAL,
) -> Answered:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": method, "path": path, "client": (client, 1), "headers": list(headers)}
    await ops_app(well or health(), counted, networks=networks)(scope, receive, send)
    start, body = sent
    shown = {name.decode(): value.decode() for name, value in start["headers"]}
    assert shown["x-content-type-options"] == "nosniff"
    return Answered(status=start["status"], headers=shown, body=body["body"])


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_ready_is_200_with_its_report(path: str) -> None:
    answer = await ask(path)
    assert answer.status == 200
    assert answer.json["checks"]["database"] == {"status": "ok"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_a_worker_without_its_database_answers_503_and_names_it(path: str) -> None:
    answer = await ask(path, well=health(FakeSchema(Unavailable())))
    assert answer.status == 503
    assert answer.json["checks"]["database"]["status"] == "down"


async def test_a_worker_without_its_broker_is_degraded() -> None:
    answer = await ask("/health/ready", well=health(broker=FakeBroker(connected=False)))
    assert (answer.status, answer.json["status"]) == (200, "degraded")


async def test_liveness_is_200_whatever_is_down() -> None:
    answer = await ask("/health/live", well=health(FakeSchema(Unavailable()), FakeBroker(connected=False)))
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_for_the_networks_that_may_see_them(client: str) -> None:
    answer = await ask("/metrics", client=client)
    assert (answer.status, answer.body) == (200, b"sharetally_drift 0\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"


@pytest.mark.parametrize("client", ["10.0.0.1", "203.0.113.7", "2001:db8::1", ""])
async def test_metrics_are_a_problem_for_all_others(client: str) -> None:
    answer = await ask("/metrics", client=client)
    assert answer.status == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == "/problems/forbidden"
    assert b"sharetally_drift" not in answer.body


async def test_metrics_are_refused_to_clients_of_a_local_proxy() -> None:
    assert (await ask("/metrics", headers=[(b"x-forwarded-for", b"127.0.0.1")])).status == 403


async def test_health_is_for_everybody() -> None:
    assert (await ask("/health", client="203.0.113.7")).status == 200


async def test_head_is_get_without_a_body() -> None:
    answer = await ask("/health", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_nothing_else_is_there() -> None:
    assert (await ask("/shares")).status == 404
    refused = await ask("/health", method="POST")
    assert refused.status == 405
    assert refused.headers["allow"] == "GET, HEAD"


# over a real port


@pytest.fixture
def port() -> int:
    return free_port()


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    app = ops_app(health(), counted, networks=LOCAL)
    served = asyncio.ensure_future(serve_ops(app, port, stop))
    try:
        await asyncio.sleep(0)  # its first step listens
        yield stop
    finally:
        stop.set()
        with anyio.fail_after(10):
            await served


async def test_it_is_served_until_it_is_stopped(port: int) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving(port), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/health")).json()["status"] == "ok"
        assert (await client.get("/metrics")).text == "sharetally_drift 0\n"
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_cancelling_it_frees_the_port(port: int) -> None:
    served = asyncio.ensure_future(serve_ops(ops_app(health(), counted, networks=LOCAL), port, asyncio.Event()))
    await asyncio.sleep(0)
    served.cancel()
    with anyio.fail_after(10), pytest.raises(asyncio.CancelledError):
        await served
    socket.create_server(("127.0.0.1", port)).close()


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"^OPS_PORT: .*:{port}: "):
            await serve_ops(ops_app(health(), counted, networks=LOCAL), port, asyncio.Event())


@pytest.mark.parametrize(
    ("networks", "hosts"),
    [
        (("127.0.0.0/8", "::1/128"), ("127.0.0.1", "::1")),
        (("127.0.0.0/8",), ("127.0.0.1",)),
        ((), ("127.0.0.1",)),
        (("127.0.0.0/8", "10.0.0.0/8"), ("0.0.0.0", "::")),  # noqa: S104
        (("fd00::/8",), ("0.0.0.0", "::")),  # noqa: S104
    ],
)
def test_it_listens_to_others_only_if_others_may_see_metrics(networks: Sequence[str], hosts: tuple[str, ...]) -> None:
    assert ops_hosts([ip_network(network) for network in networks]) == hosts


def has_ipv6() -> bool:
    """Whether this machine has it; many containers have not."""
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(("::1", free_port())) == errno.ECONNREFUSED


@pytest.mark.parametrize(
    ("named", "ipv4", "ipv6"),
    [("0.0.0.0/0", 200, 403), ("::/0", 403, 200), ("::1", 403, 200), ("0.0.0.0/0,::/0", 200, 200)],
)
async def test_metrics_can_be_read_over_ipv6(port: int, named: str, ipv4: int, ipv6: int) -> None:
    networks, stop = [ip_network(network) for network in named.split(",")], asyncio.Event()
    app = ops_app(health(), counted, networks=networks)
    served = asyncio.ensure_future(serve_ops(app, port, stop, hosts=ops_hosts(networks)))
    await asyncio.sleep(0)  # its first step listens
    async with httpx2.AsyncClient() as client:
        for host, expected in {"127.0.0.1": ipv4, **({"[::1]": ipv6} if has_ipv6() else {})}.items():
            assert (await client.get(f"http://{host}:{port}/health")).status_code == 200
            assert (await client.get(f"http://{host}:{port}/metrics")).status_code == expected
    stop.set()
    with anyio.fail_after(10):
        await served


async def test_a_machine_without_ipv6_is_served_by_ipv4(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def without_ipv6(address: tuple[str, int], *, family: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, family=family)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    (listener,) = ops._listen(("0.0.0.0", "::"), port)  # noqa: S104
    assert listener.family == socket.AF_INET
    listener.close()
