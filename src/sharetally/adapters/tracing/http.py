"""The span of a request: SERVER, named by method and route, and a child of the span in the caller's `traceparent`.

Health checks and metrics are not traced, because machines request them all day; live counts are not traced, because
they last as long as a page is open. A span shows only the path of the URL, because a query may name users.
"""

from __future__ import annotations

from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sharetally.adapters.tracing.interface import Route
from sharetally.adapters.tracing.spans import Spans, mark_failed

LIVE_ROUTE = "/share-links/count/{contentType}/{contentId}/live"
UNTRACED_ROUTES = frozenset({"/health", "/health/live", "/health/ready", "/metrics", LIVE_ROUTE})
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_TRACE_HEADER_NAMES = frozenset({b"traceparent", b"tracestate"})


class TracedHttp:
    """An ASGI application that traces HTTP requests and passes everything else on."""

    def __init__(self, app: ASGIApp, *, spans: Spans, route: Route) -> None:
        self._app = app
        self._spans = spans
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request within its span."""
        route = self._route(scope) if scope["type"] == "http" else None
        if scope["type"] != "http" or route in UNTRACED_ROUTES:
            return await self._app(scope, receive, send)
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "HTTP"
        with self._spans.tracer.start_as_current_span(
            f"{method} {route}" if route else method,
            self._parent_context(scope),
            SpanKind.SERVER,
            _attributes(scope, route),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def send_recorded(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status: int = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    for name, value in message["headers"]:
                        if name == b"x-request-id":
                            span.set_attribute("sharetally.request_id", value.decode("latin-1"))
                    if status >= 500:
                        span.set_attribute("error.type", str(status))
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            try:
                await self._app(scope, receive, send_recorded)
            except Exception as error:
                mark_failed(span, error)
                raise

    def _parent_context(self, scope: Scope) -> Context:
        """The span of a host application for this request if there is one, and otherwise the caller's span."""
        if get_current_span().get_span_context().is_valid:
            return get_current()
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name in _TRACE_HEADER_NAMES
        )
        return set_span_in_context(NonRecordingSpan(self._spans.context(headers)), Context())


def _attributes(scope: Scope, route: str | None) -> dict[str, str | int]:
    server, client = scope.get("server"), scope.get("client")
    user_agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    attributes: dict[str, str | int | None] = {
        "http.request.method": scope["method"] if scope["method"] in KNOWN_METHODS else "_OTHER",
        "http.route": route,
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version"),
        "server.address": server[0] if server else None,
        "server.port": server[1] if server else None,
        "client.address": client[0] if client else None,
        "user_agent.original": user_agent.decode("latin-1") or None,
    }
    return {name: value for name, value in attributes.items() if value is not None}
