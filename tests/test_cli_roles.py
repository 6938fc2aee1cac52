"""The roles as processes: they work as one system, answer on OPS_PORT, and exit with 0 when they are stopped."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pamqp.commands import Basic

from tests.flow.harness import open_channel, receive_messages
from tests.flow.test_inbound import correction, job
from tests.program import Program, Role, fetch
from tests.services.launch import free_port

SECRET = "known to the tests alone, and long enough"


@pytest.fixture
def embedded(tmp_path: Path) -> Program:
    program = Program(tmp_path, JWT_SECRET=SECRET)
    program.migrate()
    return program


@pytest.fixture
def stack(tmp_path: Path, postgresql_url: str, amqp_url: str) -> Program:
    program = Program(tmp_path, DATABASE_URL=postgresql_url, BROKER_URL=amqp_url, JWT_SECRET=SECRET, EVENT_FEED="on")
    program.migrate()
    return program


def counted(port: int, path: str) -> Callable[[int], bool]:
    """Whether this many shares are shown."""

    def are(number: int) -> bool:
        status, body = fetch(f"http://127.0.0.1:{port}/share-links/count/{path}")
        return status == 200 and body["shareCount"] == number

    return are


def ops(program: Program) -> int:
    port = free_port()
    program.settings["OPS_PORT"] = str(port)
    return port


def ready(port: int) -> bool:
    return fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200


def own_lines(role: Role) -> list[dict[str, Any]]:
    return [line for line in role.lines() if line["logger"].startswith("sharetally")]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_serving_alone(embedded: Program, how: signal.Signals) -> None:
    port = free_port()
    token = embedded.run("token", "--user", "anna").out.strip()
    with embedded.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: ready(port))
        status, body = fetch(f"http://127.0.0.1:{port}/videos/abc/share", token=token, body={"platforms": ["twitter"]})
        assert (status, body["results"][0]["alreadyShared"]) == (200, False)
        serve.until(lambda: counted(port, "video/abc")(1))
        assert serve.stop(how) == 0
    assert "Traceback" not in serve.output
    assert embedded.run("verify").out == "1 content item, drift 0\n"


def test_uncounted_events_are_counted_after_the_next_start(embedded: Program) -> None:
    """Killed between the answer and the count: the queue in memory is gone, the event is not."""
    port = free_port()
    token = embedded.run("token", "--user", "anna").out.strip()
    with embedded.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: ready(port))
        for video in range(20):
            assert fetch(f"http://127.0.0.1:{port}/videos/{video}/share", token=token, body={})[0] == 200
        serve.kill()
    with embedded.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: ready(port))
        for video in range(20):
            serve.until(lambda video=video: counted(port, f"video/{video}")(4))  # type: ignore[misc]
    assert embedded.run("verify").out == "20 content items, drift 0\n"


def test_the_roles_together(stack: Program) -> None:
    port = free_port()
    token = stack.run("token", "--user", "anna").out.strip()
    with (
        stack.start_role("serve", "--port", str(port), "--processes", "2") as serve,
        stack.start_role("worker", "--consumers", "post,count") as worker,
        stack.start_role("relay") as relay,
    ):
        serve.until(lambda: ready(port))
        assert fetch(f"http://127.0.0.1:{port}/videos/abc/share", token=token, body={})[0] == 200
        serve.until(lambda: counted(port, "video/abc")(4))
        relay.wait_for_output('"event":"relaying"')
        for role in (worker, relay, serve):
            assert role.stop() == 0, role.output[-2000:]
            assert "Traceback" not in role.output
    working = next(line for line in own_lines(worker) if line["event"] == "working")
    assert working["queues"] == ["post", "count"]
    assert stack.run("verify").out == "1 content item, drift 0\n"


def test_a_rolling_restart_refuses_no_request(stack: Program) -> None:
    """SIGHUP: each process is followed by a new one before it ends; every request is answered all the while."""
    port = free_port()
    with stack.start_role("serve", "--port", str(port), "--processes", "2") as serve:
        serve.until(lambda: ready(port))
        before, answers = serve.children, list[int]()
        serve.tell(signal.SIGHUP)

        def renewed() -> bool:
            answers.append(fetch(f"http://127.0.0.1:{port}/platforms")[0])
            return len(serve.children & before) == len(before) - 2  # the rest helps multiprocessing

        serve.until(renewed)
        assert set(answers) == {200}
        assert serve.stop() == 0, serve.output[-2000:]
    assert "Traceback" not in serve.output


def test_jobs_from_outside_all_the_way(stack: Program, amqp_url: str) -> None:
    """In by `sharetally.in`, counted, and out by the feed, through one worker."""
    health = ops(stack)
    with stack.start_role("worker") as worker:
        worker.until(lambda: ready(health))
        told = asyncio.run(_sent_and_told(amqp_url))
        _, metrics = fetch(f"http://127.0.0.1:{health}/metrics")
        assert 'sharetally_jobs_total{job="share_created",outcome="counted"} 1.0' in metrics
        assert worker.stop() == 0
    assert [each["contentId"] for each in told] == ["123", "123"]
    assert told[-1]["shareCount"] == 1 + 40
    (parked,) = stack.run("dead", "list", "--json").json
    assert parked["reason"] == "share_created: jobId must be 1 to 128 characters"
    assert stack.run("verify").out == "1 content item, drift 0\n"


async def _sent_and_told(amqp_url: str) -> list[dict[str, Any]]:
    jobs = [
        ("share_created", job("1")),
        ("share_created", job("")),
        ("share_count_update", correction("2", "increment", amount=40)),
    ]
    told: list[dict[str, Any]] = []
    async with open_channel(amqp_url) as channel:
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        for name, body in jobs:
            properties = Basic.Properties(message_type=name)
            await channel.basic_publish(msgspec.json.encode(body), routing_key="sharetally.in", properties=properties)
        told += [msgspec.json.decode(message.body) for message in await receive_messages(channel, "heard", 2)]
    return sorted(told, key=lambda each: int(each["shareCount"]))


@pytest.mark.parametrize("role", ["worker", "relay"])
def test_a_role_without_its_broker_waits_for_it(stack: Program, role: str) -> None:
    stack.settings["BROKER_URL"] = "amqp://nobody@127.0.0.1:9/"
    health = ops(stack)
    with stack.start_role(role) as running:
        running.until(lambda: ready(health))
        _, report = fetch(f"http://127.0.0.1:{health}/health")
        assert (report["status"], report["checks"]["broker"]["status"]) == ("degraded", "down")
        assert running.stop() == 0


def test_a_port_that_is_taken_ends_the_role(stack: Program) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken_port:
        stack.settings["OPS_PORT"] = str(taken_port.getsockname()[1])
        result = stack.run("worker")
    assert result.code != 0
    assert "OPS_PORT: cannot listen on 127.0.0.1:" in result.err


def test_a_consumer_that_does_not_exist(stack: Program) -> None:
    result = stack.run("worker", "--consumers", "count,fax")
    assert result.code == 2
    assert (
        result.err.splitlines()[-1]
        == "sharetally: --consumers: unknown fax; choose from count, post, in, feed, deliveries"
    )
