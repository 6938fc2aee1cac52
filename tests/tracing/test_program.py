"""The program as people run it: with TRACES=otlp a collector gets the spans, without it OpenTelemetry is not there."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.program import Program, fetch
from tests.services.launch import free_port

SECRET = "known to the tests alone, and long enough"
# what a process that serves has imported once it has answered, committed and counted
LOADED = """
import asyncio, sys
from pathlib import Path
from sharetally.settings import load
from sharetally.wiring import Core, start_embedded_workers
from sharetally.wiring_http import http_app
import os

async def lived():
    async with Core(load(os.environ, cwd=Path.cwd()), role="serve") as core:
        end = start_embedded_workers(core)
        http_app(core)
        await end()

asyncio.run(lived())
print([name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "google", "requests")])
"""


class Collector:
    """Takes spans as an OpenTelemetry collector does, and keeps them by the role that sent them."""

    def __init__(self, server: HTTPServer) -> None:
        self.spans: dict[str, list[Span]] = defaultdict(list)
        self.names: set[str] = set()
        server.expect_request("/v1/traces", method="POST").respond_with_handler(self._take)
        self.url = server.url_for("").rstrip("/")

    def _take(self, request: Request) -> Response:
        assert request.content_type == "application/x-protobuf"
        for group in ExportTraceServiceRequest.FromString(request.get_data()).resource_spans:
            about = {each.key: each.value.string_value for each in group.resource.attributes}
            self.names.add(about["service.name"])
            self.spans[about["sharetally.role"]] += [span for scope in group.scope_spans for span in scope.spans]
        return Response(b"", content_type="application/x-protobuf")

    def one(self, role: str, name: str) -> Span:
        """The only span of this name."""
        [span] = [each for each in self.spans[role] if each.name == name]
        return span


@pytest.fixture
def collector(httpserver: HTTPServer) -> Collector:
    return Collector(httpserver)


@pytest.fixture
def program(
    tmp_path: Path, postgresql_url: str, amqp_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Program:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    made = Program(tmp_path, DATABASE_URL=postgresql_url, BROKER_URL=amqp_url, JWT_SECRET=SECRET, TRACES="otlp")
    made.migrate()
    return made


def shared(program: Program, port: int) -> None:
    """One share, answered and counted."""
    token = program.run("token", "--user", "anna").out.strip()
    base = f"http://127.0.0.1:{port}"
    assert fetch(f"{base}/videos/abc/share", token=token, body={"platforms": ["twitter"]})[0] == 200


def test_a_collector_gets_the_spans_of_every_role(program: Program, collector: Collector) -> None:
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve, program.start_role("worker") as worker:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        shared(program, port)
        worker.wait_for_output('"outcome":"counted"')
        assert worker.stop() == 0
        assert serve.stop() == 0
    request = collector.one("serve", "POST /videos/{videoId}/share")
    sent = collector.one("serve", "send sharetally:share_created")
    counted = collector.one("worker", "process sharetally.count")
    assert [(link.trace_id, link.span_id) for link in counted.links] == [(sent.trace_id, sent.span_id)]
    assert counted.trace_id == sent.trace_id == request.trace_id
    assert (request.kind, sent.kind, counted.kind) == (
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_PRODUCER,
        Span.SPAN_KIND_CONSUMER,
    )
    assert collector.names == {"sharetally"}


def test_a_collector_that_is_away_stops_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        shared(program, port)
        assert serve.stop() == 0
    assert "Traceback" not in serve.output


def test_on_a_console_spans_are_printed(tmp_path: Path) -> None:
    program = Program(tmp_path, JWT_SECRET=SECRET, TRACES="console")
    program.migrate()
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        shared(program, port)
        serve.wait_for_output('"name": "process sharetally.count"')


def test_off_nothing_of_it_is_imported(tmp_path: Path) -> None:
    program = Program(tmp_path, JWT_SECRET=SECRET)
    program.migrate()
    with program.start_command(sys.executable, "-W", "error", "-c", LOADED) as role:
        assert role.ended() == 0, role.output
    assert role.output.splitlines()[-1] == "[]"
