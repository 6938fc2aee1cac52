"""The pages that the service serves: OpenAPI and its reference, AsyncAPI, problems, the demo, the console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from sharetally.domain.errors import NotFound, UpgradeRequired
from sharetally.flow.urls import UrlPolicy
from sharetally.ports import Button
from sharetally.web.documents.asyncapi import document as asyncapi
from sharetally.web.documents.openapi import document
from sharetally.web.documents.reference import reference
from sharetally.web.documents.reference_types import prose
from sharetally.web.endpoint import Access, AnyEndpoint, AnyQuery, Endpoint, NoBody, NoPath, Request
from sharetally.web.fields import RequestModel
from sharetally.web.pages.console import console_endpoints
from sharetally.web.pages.html import CSP, html_page
from sharetally.web.pages.widget import widget_endpoints
from sharetally.web.problems import STATUS
from sharetally.web.responses import Response, document_response

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_STATIC = ("demo.css", "demo.js", "page.css", "icon.svg")
_CACHED_DOCUMENTS = 8  # documents kept: one for each address that the service is asked under


class ProblemPath(RequestModel, frozen=True, kw_only=False):
    """`/problems/{code}`."""

    code: str


PageRequest = Request[NoPath, AnyQuery, NoBody]
PageHandler = Callable[[UrlPolicy, PageRequest], Awaitable[Response]]


def page_endpoints(api: Sequence[AnyEndpoint], buttons: Mapping[str, Button]) -> tuple[AnyEndpoint, ...]:
    """Endpoints for people, which are not part of the OpenAPI document; `buttons` are those that the widget fetches."""

    @lru_cache(maxsize=_CACHED_DOCUMENTS)
    def openapi_document(server: str) -> dict[str, Any]:
        return document(api, server=server)

    return (
        _endpoint("/openapi.json", _json_document(openapi_document)),
        _endpoint("/asyncapi.json", _json_document(lru_cache(maxsize=_CACHED_DOCUMENTS)(asyncapi))),
        _endpoint("/docs", _docs(openapi_document)),
        _endpoint("/live", _upgrade_required),
        Endpoint(
            method="GET",
            path="/problems/{code}",
            handler=_problem_page,
            service=UrlPolicy,
            request=Request[ProblemPath, AnyQuery, NoBody],
            access=Access.PUBLIC,
            responses={200: None},
            head=True,
        ),
        _endpoint("/demo", _file("demo.html")),
        *(_endpoint(f"/{name}", _file(name)) for name in _STATIC),
        *widget_endpoints(buttons),
        *console_endpoints(),
    )


def _endpoint(path: str, handler: PageHandler) -> AnyEndpoint:
    return Endpoint(
        method="GET",
        path=path,
        handler=handler,
        service=UrlPolicy,
        request=Request[NoPath, AnyQuery, NoBody],
        access=Access.PUBLIC,
        responses={200: None},
        head=True,
    )


def _file(name: str) -> PageHandler:
    body = files("sharetally.web").joinpath("static", name).read_bytes()
    response = document_response(body, _MEDIA_TYPES[name.rsplit(".", 1)[1]], CSP, ("cache-control", "no-cache"))

    async def handler(urls: UrlPolicy, request: PageRequest) -> Response:
        return response

    return handler


DocumentFor = Callable[[str], dict[str, Any]]


def _json_document(document: DocumentFor) -> PageHandler:
    async def handler(urls: UrlPolicy, request: PageRequest) -> Response:
        body = msgspec.json.encode(document(urls.public_url or request.root_path))
        return document_response(body, "application/json", ("access-control-allow-origin", "*"))

    return handler


def _docs(openapi_document: DocumentFor) -> PageHandler:
    async def handler(urls: UrlPolicy, request: PageRequest) -> Response:
        return html_page(
            request.root_path,
            "Sharetally: the HTTP API",
            reference(openapi_document(urls.public_url or request.root_path)),
        )

    return handler


async def _upgrade_required(urls: UrlPolicy, request: PageRequest) -> Response:
    """Answer a request for `/live` without WebSocket; `app.py` serves those with it."""
    raise UpgradeRequired("websocket", "a WebSocket: open it with a WebSocket client; a proxy must pass on Upgrade")


async def _problem_page(urls: UrlPolicy, request: Request[ProblemPath, AnyQuery, NoBody]) -> Response:
    code = request.path.code
    if code not in STATUS:
        raise NotFound("no such problem")
    status, title = STATUS[code]
    head = f"<p><small>HTTP {status} · <code>{escape(code)}</code></small></p><h1>{escape(title)}</h1>"
    back = '<p><a href="../docs">The HTTP API</a></p>'
    return html_page(
        request.root_path,
        title,
        f'<main class="problem">{head}<p>{prose(PROBLEM_MEANINGS[code])}</p>{back}</main>',
    )


PROBLEM_MEANINGS = {
    "invalid-request": "A field is missing, unknown, of the wrong type or too long. The member `invalid` names each.",
    "unsupported-platforms": "At least one platform is not allowed here. Nothing of the request was written.",
    "unauthenticated": "Send a valid token or API key, as `Authorization: Bearer …`.",
    "forbidden": "The credential is valid but does not allow this. The detail names the scope that would.",
    "not-found": "There is no such path or object, or you may not see it.",
    "method-not-allowed": "The path supports other methods; the header `Allow` lists them.",
    "conflict": "The current state does not allow the request, for example the retry of a share that did not fail.",
    "gone": "The link has expired or was deleted.",
    "too-large": "A body may have 64 KiB at most, or 1 MiB on bulk routes.",
    "idempotency-key-reused": "This `Idempotency-Key` was used for another request. Use a new one.",
    "job-id-reused": "This `jobId` was used for another adjustment. Use a new one.",
    "upgrade-required": "The header `Upgrade` names the protocol. `/live` is opened by `new WebSocket(…)` or any other "
    "client of WebSockets; behind a proxy, it must pass on `Upgrade` and `Connection`.",
    "rate-limited": "Too many writes. Wait for as many seconds as `Retry-After` says.",
    "platform-unavailable": "The platform does not answer, or says that it cannot at the moment. Nothing was changed "
    "here. The detail says what to do.",
    "internal": "A fault of this service. Look for the member `requestId` in its log.",
    "unavailable": "Something that this service needs is unavailable. Try again after `Retry-After` seconds with the "
    "same `Idempotency-Key`: the effect may have happened, unless the detail says that nothing was written.",
}
