"""Pages the service serves itself: OpenAPI and its reading form, AsyncAPI, problems, the demo, the console."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from sharetally.domain.errors import NotFound, UpgradeRequired
from sharetally.web.documents.asyncapi import document as asyncapi
from sharetally.web.documents.openapi import document
from sharetally.web.documents.reference import reference
from sharetally.web.documents.reference_types import prose
from sharetally.web.endpoint import Access, Endpoint, Handler, Request
from sharetally.web.endpoints.console_pages import console_endpoints
from sharetally.web.endpoints.html import CSP, html_page
from sharetally.web.endpoints.widget import widget_endpoints
from sharetally.web.problems import STATUS
from sharetally.web.responses import Response, document_response
from sharetally.web.services import Services

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_STATIC = ("demo.css", "demo.js", "page.css", "icon.svg")
_CACHED_DOCUMENTS = 8  # documents kept: one for each address that the service is asked under


def page_endpoints(api: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Endpoints for people; they are not part of the OpenAPI document."""

    @lru_cache(maxsize=_CACHED_DOCUMENTS)
    def openapi_document(server: str) -> dict[str, Any]:
        return document(api, server=server)

    return (
        _endpoint("/openapi.json", _openapi(openapi_document)),
        _endpoint("/asyncapi.json", _asyncapi(lru_cache(maxsize=_CACHED_DOCUMENTS)(asyncapi))),
        _endpoint("/docs", _docs(openapi_document)),
        _endpoint("/live", _upgrade_required),
        _endpoint("/problems/{code}", _problem_page),
        _endpoint("/demo", _file("demo.html")),
        *(_endpoint(f"/{name}", _file(name)) for name in _STATIC),
        *widget_endpoints(),
        *console_endpoints(),
    )


def _endpoint(path: str, handler: Handler) -> Endpoint:
    return Endpoint(
        method="GET", path=path, handler=handler, summary="", tag="", access=Access.PUBLIC, responses={200: None}
    )


def _file(name: str) -> Handler:
    body = files("sharetally.web").joinpath("static", name).read_bytes()
    response = document_response(body, _MEDIA_TYPES[name.rsplit(".", 1)[1]], CSP, ("cache-control", "no-cache"))

    async def handler(services: Services, request: Request) -> Response:
        return response

    return handler


DocumentFor = Callable[[str], dict[str, Any]]


def _server(services: Services) -> str:
    return services.url_policy.public_url or services.url_policy.root_path


def _openapi(openapi_document: DocumentFor) -> Handler:
    async def handler(services: Services, request: Request) -> Response:
        body = msgspec.json.encode(openapi_document(_server(services)))
        return document_response(body, "application/json", ("access-control-allow-origin", "*"))

    return handler


def _asyncapi(asyncapi_document: DocumentFor) -> Handler:
    async def handler(services: Services, request: Request) -> Response:
        return document_response(
            msgspec.json.encode(asyncapi_document(_server(services))),
            "application/json",
            ("access-control-allow-origin", "*"),
        )

    return handler


def _docs(openapi_document: DocumentFor) -> Handler:
    async def handler(services: Services, request: Request) -> Response:
        return html_page(
            services.url_policy.root_path, "Sharetally: the HTTP API", reference(openapi_document(_server(services)))
        )

    return handler


async def _upgrade_required(services: Services, request: Request) -> Response:
    """What asks for it without WebSocket; `app.py` serves what asks with it."""
    raise UpgradeRequired("websocket", "a WebSocket: open it with a WebSocket client; a proxy must pass on Upgrade")


async def _problem_page(services: Services, request: Request) -> Response:
    code = request.path["code"]
    if code not in STATUS:
        raise NotFound("no such problem")
    status, title = STATUS[code]
    head = f"<p><small>HTTP {status} · <code>{escape(code)}</code></small></p><h1>{escape(title)}</h1>"
    back = '<p><a href="../docs">The HTTP API</a></p>'
    return html_page(
        services.url_policy.root_path,
        title,
        f'<main class="problem">{head}<p>{prose(PROBLEM_MEANINGS[code])}</p>{back}</main>',
    )


PROBLEM_MEANINGS = {
    "invalid-request": "A field is missing, unknown, of the wrong type or too long. The member `invalid` names each.",
    "unsupported-platforms": "At least one platform is not allowed here. Nothing of the request was written.",
    "unauthenticated": "Send a token or an API key that holds, as `Authorization: Bearer …`.",
    "forbidden": "The credential holds, and does not allow this. The detail names the scope that would.",
    "not-found": "There is no such path or thing, or it is not yours to see.",
    "method-not-allowed": "The path exists for other methods; the header `Allow` names them.",
    "conflict": "What stands now does not allow the request, for example a retry of a share that did not fail.",
    "gone": "The link has expired or was deleted.",
    "too-large": "A body has at most 64 KiB, on bulk routes 1 MiB.",
    "idempotency-key-reused": "Take a new `Idempotency-Key` for a new request.",
    "job-id-reused": "Take a new `jobId` for a new adjustment.",
    "upgrade-required": "The header `Upgrade` names the protocol. `/live` is opened by `new WebSocket(…)` or any other "
    "client of WebSockets; behind a proxy, it must pass on `Upgrade` and `Connection`.",
    "rate-limited": "Wait as long as `Retry-After` says.",
    "internal": "A fault of this service. The member `requestId` finds it in the log.",
    "unavailable": "Something this service needs is away. Try again after `Retry-After` seconds, with the same "
    "`Idempotency-Key`: the effect may have happened, unless the detail says that nothing was written.",
}
