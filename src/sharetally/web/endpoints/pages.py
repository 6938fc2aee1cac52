"""Pages the service serves itself: OpenAPI and its reading form, AsyncAPI, problems, the demo, the console."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from sharetally.domain.errors import NotFound, UpgradeRequired
from sharetally.web.answers import Answer, page
from sharetally.web.documents.asyncapi import document as asyncapi
from sharetally.web.documents.openapi import document
from sharetally.web.documents.reference import reference
from sharetally.web.documents.reference_types import prose
from sharetally.web.endpoint import Access, Asked, Endpoint, Handler
from sharetally.web.endpoints.console_pages import console_endpoints
from sharetally.web.endpoints.html import CSP, html_page
from sharetally.web.endpoints.widget import widget_endpoints
from sharetally.web.parts import Parts
from sharetally.web.problems import STATUS

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_STATIC = ("demo.css", "demo.js", "page.css", "icon.svg")
_SERVERS = 8  # documents kept: one for each address that the service is asked under


def page_endpoints(api: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Endpoints for people; they are not part of the OpenAPI document."""

    @lru_cache(maxsize=_SERVERS)
    def described(server: str) -> dict[str, Any]:
        return document(api, server=server)

    return (
        _endpoint("/openapi.json", _openapi(described)),
        _endpoint("/asyncapi.json", _asyncapi(lru_cache(maxsize=_SERVERS)(asyncapi))),
        _endpoint("/docs", _docs(described)),
        _endpoint("/live", _live),
        _endpoint("/problems/{code}", _problem_page),
        _endpoint("/demo", _file("demo.html")),
        *(_endpoint(f"/{name}", _file(name)) for name in _STATIC),
        *widget_endpoints(),
        *console_endpoints(),
    )


def _endpoint(path: str, handler: Handler) -> Endpoint:
    return Endpoint(
        method="GET", path=path, handler=handler, summary="", tag="", access=Access.PUBLIC, answers={200: None}
    )


def _file(name: str) -> Handler:
    body = files("sharetally.web").joinpath("static", name).read_bytes()
    answer = page(body, _TYPES[name.rsplit(".", 1)[1]], CSP, ("cache-control", "no-cache"))

    async def handler(parts: Parts, asked: Asked) -> Answer:
        return answer

    return handler


Described = Callable[[str], dict[str, Any]]


def _server(parts: Parts) -> str:
    return parts.places.public_url or parts.places.root_path


def _openapi(described: Described) -> Handler:
    async def handler(parts: Parts, asked: Asked) -> Answer:
        body = msgspec.json.encode(described(_server(parts)))
        return page(body, "application/json", ("access-control-allow-origin", "*"))

    return handler


def _asyncapi(made: Described) -> Handler:
    async def handler(parts: Parts, asked: Asked) -> Answer:
        return page(msgspec.json.encode(made(_server(parts))), "application/json", ("access-control-allow-origin", "*"))

    return handler


def _docs(described: Described) -> Handler:
    async def handler(parts: Parts, asked: Asked) -> Answer:
        return html_page(parts.places.root_path, "Sharetally: the HTTP API", reference(described(_server(parts))))

    return handler


async def _live(parts: Parts, asked: Asked) -> Answer:
    """What asks for it without WebSocket; `app.py` serves what asks with it."""
    raise UpgradeRequired("websocket", "a WebSocket: open it with a WebSocket client; a proxy must pass on Upgrade")


async def _problem_page(parts: Parts, asked: Asked) -> Answer:
    code = asked.path["code"]
    if code not in STATUS:
        raise NotFound("no such problem")
    status, title = STATUS[code]
    head = f"<p><small>HTTP {status} · <code>{escape(code)}</code></small></p><h1>{escape(title)}</h1>"
    back = '<p><a href="../docs">The HTTP API</a></p>'
    return html_page(
        parts.places.root_path, title, f'<main class="problem">{head}<p>{prose(MEANING[code])}</p>{back}</main>'
    )


MEANING = {
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
