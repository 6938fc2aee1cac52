"""What fails is seen as failed, what is no share is not traced, and memory carries context as RabbitMQ does."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, use_span
from starlette.types import Receive, Scope, Send

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.tracing import open_traces
from sharetally.adapters.tracing.exporting import unexported
from sharetally.adapters.tracing.traced import Traced
from sharetally.domain.errors import Misconfigured, Unavailable
from sharetally.flow.committer import Committer
from sharetally.web.app import Application
from tests.tracing.stand import Seen, causes, ids, parent, serving, told
from tests.web.api import Api, call, settings
from tests.web.conftest import MakeApi, make_api, migrated_file

__all__ = ["make_api", "migrated_file"]
pytestmark = pytest.mark.anyio


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def api(migrated_file: Path, tmp_path: Path, seen: Seen) -> AsyncIterator[Api]:
    shutil.copy(migrated_file, tmp_path / "sharetally.db")
    async with serving(settings(tmp_path, f"sqlite:///{tmp_path}/sharetally.db"), seen) as made:
        yield made


async def test_in_memory_the_journey_is_the_same(api: Api, seen: Seen) -> None:
    await api.share("abc", "twitter", headers={"idempotency-key": "once"})
    [counted] = await seen.first("process sharetally.count")
    [sent] = seen.named("send sharetally:share_created")
    [request] = seen.named("POST /videos/{videoId}/share")
    assert causes(counted) == {ids(sent)}
    assert ids(sent)[0] == ids(request)[0]
    assert parent(request) is None
    assert told(sent, "messaging.system") == {"messaging.system": "memory"}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
async def test_what_machines_ask_all_day_is_not_traced(api: Api, seen: Seen, path: str) -> None:
    await api.ask("GET", path)
    assert seen.exporter.get_finished_spans() == ()


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
    api: Api, seen: Seen, method: str, path: str, name: str, status: int
) -> None:
    await api.ask(method, path)
    [span] = seen.exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == (name, StatusCode.UNSET)
    assert told(span, "http.response") == {"http.response.status_code": status}
    assert "anna" not in str(span.attributes)


async def test_a_fault_of_ours_is_marked(api: Api, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(api.database, "counts", away)
    assert (await api.ask("GET", "/share-links/count/video/abc?consistent=false")).status == 503
    [span] = seen.exporter.get_finished_spans()
    assert (span.status.status_code, told(span, "error.")) == (StatusCode.ERROR, {"error.type": "503"})


async def test_a_transaction_that_fails_says_what_kind_of_error_and_no_more(api: Api, seen: Seen) -> None:
    tracer = unexported(role="test").get_tracer("test")
    with tracer.start_as_current_span("outer") as outer, pytest.raises(LookupError):
        async with api.core.ledger.transaction():
            raise LookupError("the secret of anna")
    [span] = seen.named("commit")
    assert parent(span) == (outer.get_span_context().trace_id, outer.get_span_context().span_id)
    assert (span.status.status_code, told(span, "error.")) == (StatusCode.ERROR, {"error.type": "LookupError"})
    assert "secret" not in span.to_json()
    async with api.core.ledger.transaction():
        pass
    assert len(seen.named("commit")) == 1, "nobody asked for this one"


async def test_a_span_of_the_host_application_is_the_parent(api: Api, seen: Seen) -> None:
    tracer = unexported(role="host").get_tracer("host")
    with tracer.start_as_current_span("host", kind=SpanKind.SERVER) as host:
        await api.ask("GET", "/platforms")
    [span] = seen.exporter.get_finished_spans()
    assert parent(span) == (host.get_span_context().trace_id, host.get_span_context().span_id)


@pytest.mark.parametrize("said", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-\xff"])
async def test_a_traceparent_that_is_none_begins_a_trace(api: Api, seen: Seen, said: str) -> None:
    assert (await api.ask("GET", "/platforms", headers={"traceparent": said})).status == 200
    [span] = seen.exporter.get_finished_spans()
    assert parent(span) is None


async def test_an_application_that_breaks_is_marked_and_still_breaks(seen: Seen) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        assert get_current_span().is_recording()
        raise LookupError("the secret of anna")

    with pytest.raises(LookupError):
        await call(seen.traces("serve").http(broken, lambda scope: "/broken"), "GET", "/broken")
    [span] = seen.exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == ("GET /broken", StatusCode.ERROR)
    assert "secret" not in span.to_json()


async def test_off_every_part_is_what_it_is(make_api: MakeApi) -> None:
    async with make_api() as plain:
        core, none = plain.core, open_traces("off", role="serve")
        assert type(core.committer) is Committer
        assert type(core.broker) is MemoryBroker
        assert core.ledger is core.database
        assert type(plain.app) is Application
        assert none.http(plain.app, lambda scope: None) is plain.app
        assert all(none.consumer(each, core.broker) is each for each in core.consumers)


def test_without_its_packages_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sharetally.adapters.tracing.exporting")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Misconfigured, match=r"^TRACES needs: pip install 'sharetally\[otel\]'"):
        open_traces("otlp", role="serve")


async def test_the_environment_says_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unexported(role="relay").resource.attributes["service.name"] == "sharetally"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-shares")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    provider = unexported(role="relay")
    attributes = provider.resource.attributes
    assert attributes["service.name"] == "shop-shares"
    assert attributes["deployment.environment.name"] == "test"
    assert attributes["sharetally.role"] == "relay"
    with use_span(provider.get_tracer("test").start_span("never")) as span:
        assert not span.get_span_context().trace_flags.sampled
    await Traced(provider).close()
