"""A request as a span: SERVER, named by method and route, under what the caller's `traceparent` says.

Health and metrics are asked all day by machines, and live counts last as long as a page is open: they are not
traced. Of the address only the path is told: queries may name users.
"""

from __future__ import annotations

from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sharetally.adapters.tracing.spans import Spans, failed
from sharetally.adapters.tracing.traces import Route
from sharetally.ports import Headers

LIVE = "/share-links/count/{contentType}/{contentId}/live"
UNTRACED = frozenset({"/health", "/health/live", "/health/ready", "/metrics", LIVE})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_CONTEXT = frozenset({b"traceparent", b"tracestate"})


class TracedHttp:
    """ASGI; passes on what is no request."""

    def __init__(self, app: ASGIApp, *, spans: Spans, route: Route) -> None:
        self._app = app
        self._spans = spans
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self._route(scope) if scope["type"] == "http" else None
        if scope["type"] != "http" or route in UNTRACED:
            return await self._app(scope, receive, send)
        with self._spans.tracer.start_as_current_span(
            _name(scope, route),
            self._parent(scope),
            SpanKind.SERVER,
            _attributes(scope, route),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            await self._answered(span, scope, receive, send)

    async def _answered(self, span: Span, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(span, message)
            await send(message)

        try:
            await self._app(scope, receive, told)
        except Exception as error:
            failed(span, error)
            raise

    def _parent(self, scope: Scope) -> Context:
        """Where a host application has a span for this request, ours is under it; else under the caller's."""
        if get_current_span().get_span_context().is_valid:
            return get_current()
        return set_span_in_context(NonRecordingSpan(self._spans.context(_carried(scope))), Context())


def _carried(scope: Scope) -> Headers:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"] if name in _CONTEXT
    )


def _name(scope: Scope, route: str | None) -> str:
    method = scope["method"] if scope["method"] in METHODS else "HTTP"
    return f"{method} {route}" if route else method


def _attributes(scope: Scope, route: str | None) -> dict[str, str | int]:
    server, client = scope.get("server"), scope.get("client")
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    found: dict[str, str | int | None] = {
        "http.request.method": scope["method"] if scope["method"] in METHODS else "_OTHER",
        "http.route": route,
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version"),
        "server.address": server[0] if server else None,
        "server.port": server[1] if server else None,
        "client.address": client[0] if client else None,
        "user_agent.original": agent.decode("latin-1") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _tell(span: Span, message: Message) -> None:
    status: int = message["status"]
    span.set_attribute("http.response.status_code", status)
    for name, value in message["headers"]:
        if name == b"x-request-id":
            span.set_attribute("sharetally.request_id", value.decode("latin-1"))
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
