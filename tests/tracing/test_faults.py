"""Failures appear as failures, requests that are no shares are not traced, and memory carries context like RabbitMQ."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, use_span
from starlette.types import Receive, Scope, Send

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.tracing import open_tracing
from sharetally.adapters.tracing.exporters import provider_without_exporter
from sharetally.adapters.tracing.opentelemetry import OpenTelemetryTracing
from sharetally.domain.errors import ConfigurationError, Unavailable
from sharetally.flow.committer import Committer
from sharetally.web.app import Application
from tests.tracing.harness import SpanRecorder, attributes_under, linked_ids, parent, run_api, span_ids
from tests.web.api import Api, call, make_settings
from tests.web.conftest import MakeApi, make_api, migrated_file

__all__ = ["make_api", "migrated_file"]
pytestmark = pytest.mark.anyio


@pytest.fixture
def spans() -> SpanRecorder:
    return SpanRecorder()


@pytest.fixture
async def api(migrated_file: Path, tmp_path: Path, spans: SpanRecorder) -> AsyncIterator[Api]:
    shutil.copy(migrated_file, tmp_path / "sharetally.db")
    async with run_api(make_settings(tmp_path, f"sqlite:///{tmp_path}/sharetally.db"), spans) as made:
        yield made


async def test_traces_over_the_memory_broker_have_the_same_structure(api: Api, spans: SpanRecorder) -> None:
    await api.share("abc", "twitter", headers={"idempotency-key": "once"})
    [counted] = await spans.first("process sharetally.count")
    [sent] = spans.named("send sharetally:share_created")
    [request] = spans.named("POST /videos/{videoId}/share")
    assert linked_ids(counted) == {span_ids(sent)}
    assert span_ids(sent)[0] == span_ids(request)[0]
    assert parent(request) is None
    assert attributes_under(sent, "messaging.system") == {"messaging.system": "memory"}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
async def test_health_and_metrics_requests_are_not_traced(api: Api, spans: SpanRecorder, path: str) -> None:
    await api.request("GET", path)
    assert spans.exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", "/nowhere/at/all?user=anna", "GET", 404),
        ("BREW", "/platforms", "HTTP", 405),
        ("HEAD", "/platforms", "HEAD /platforms", 200),
        ("GET", "/s/%FF", "GET", 400),
    ],
)
async def test_a_request_is_named_by_its_route(
    api: Api, spans: SpanRecorder, method: str, path: str, name: str, status: int
) -> None:
    await api.request(method, path)
    [span] = spans.exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == (name, StatusCode.UNSET)
    assert attributes_under(span, "http.response") == {"http.response.status_code": status}
    assert "anna" not in str(span.attributes)


async def test_a_server_error_marks_its_span(api: Api, spans: SpanRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(api.database.counts, "stored", away)
    assert (await api.request("GET", "/share-links/count/video/abc?consistent=false")).status == 503
    [span] = spans.exporter.get_finished_spans()
    assert (span.status.status_code, attributes_under(span, "error.")) == (StatusCode.ERROR, {"error.type": "503"})


async def test_a_failed_transaction_records_only_the_kind_of_its_error(api: Api, spans: SpanRecorder) -> None:
    tracer = provider_without_exporter(role="test").get_tracer("test")
    with tracer.start_as_current_span("outer") as outer, pytest.raises(LookupError):
        async with api.core.ledger.transaction():
            raise LookupError("the secret of anna")
    [span] = spans.named("commit")
    assert parent(span) == (outer.get_span_context().trace_id, outer.get_span_context().span_id)
    assert (span.status.status_code, attributes_under(span, "error.")) == (
        StatusCode.ERROR,
        {"error.type": "LookupError"},
    )
    assert "secret" not in span.to_json()
    async with api.core.ledger.transaction():
        pass
    assert len(spans.named("commit")) == 1, "nobody asked for this one"


async def test_a_span_of_the_host_application_is_the_parent(api: Api, spans: SpanRecorder) -> None:
    tracer = provider_without_exporter(role="host").get_tracer("host")
    with tracer.start_as_current_span("host", kind=SpanKind.SERVER) as host:
        await api.request("GET", "/platforms")
    [span] = spans.exporter.get_finished_spans()
    assert parent(span) == (host.get_span_context().trace_id, host.get_span_context().span_id)


@pytest.mark.parametrize("said", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-\xff"])
async def test_a_traceparent_that_is_none_begins_a_trace(api: Api, spans: SpanRecorder, said: str) -> None:
    assert (await api.request("GET", "/platforms", headers={"traceparent": said})).status == 200
    [span] = spans.exporter.get_finished_spans()
    assert parent(span) is None


async def test_an_application_that_breaks_is_marked_and_still_breaks(spans: SpanRecorder) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        assert get_current_span().is_recording()
        raise LookupError("the secret of anna")

    with pytest.raises(LookupError):
        await call(spans.traces("serve").http(broken, lambda scope: "/broken"), "GET", "/broken")
    [span] = spans.exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == ("GET /broken", StatusCode.ERROR)
    assert "secret" not in span.to_json()


async def test_without_tracing_nothing_is_wrapped(make_api: MakeApi) -> None:
    async with make_api() as plain:
        core, none = plain.core, open_tracing("off", role="serve")
        assert type(core.committer) is Committer
        assert type(core.broker) is MemoryBroker
        assert core.ledger is core.database
        assert type(plain.app) is Application
        assert none.http(plain.app, lambda scope: None) is plain.app
        assert all(none.consumer(each, core.broker) is each for each in core.consumers)


def test_without_its_packages_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sharetally.adapters.tracing.exporters")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"^TRACES needs: pip install 'sharetally\[otel\]'"):
        open_tracing("otlp", role="serve")


async def test_resource_attributes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provider_without_exporter(role="relay").resource.attributes["service.name"] == "sharetally"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-shares")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    provider = provider_without_exporter(role="relay")
    attributes = provider.resource.attributes
    assert attributes["service.name"] == "shop-shares"
    assert attributes["deployment.environment.name"] == "test"
    assert attributes["sharetally.role"] == "relay"
    with use_span(provider.get_tracer("test").start_span("never")) as span:
        assert not span.get_span_context().trace_flags.sampled
    await OpenTelemetryTracing(provider).close()
