"""Pages the service serves itself: the OpenAPI document, its reading form, problems, the demo."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from sharetally.domain.errors import NotFound
from sharetally.web.answers import Answer, page
from sharetally.web.endpoint import Access, Asked, Endpoint, Handler
from sharetally.web.openapi import document
from sharetally.web.parts import Parts
from sharetally.web.problems import STATUS

CSP = ("content-security-policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_STATIC = ("demo.css", "demo.js", "page.css")


def page_endpoints(api: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Endpoints for people; they are not part of the OpenAPI document."""
    files_here = tuple(_endpoint(f"/{name}", _file(name)) for name in _STATIC)
    return (
        _endpoint("/openapi.json", _openapi(api)),
        _endpoint("/docs", _docs(api)),
        _endpoint("/problems/{code}", _problem_page),
        _endpoint("/demo", _file("demo.html")),
        *files_here,
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


def _openapi(api: Sequence[Endpoint]) -> Handler:
    async def handler(parts: Parts, asked: Asked) -> Answer:
        body = msgspec.json.encode(document(api, server=parts.places.public_url or parts.places.root_path))
        return page(body, "application/json", ("access-control-allow-origin", "*"))

    return handler


def _docs(api: Sequence[Endpoint]) -> Handler:
    async def handler(parts: Parts, asked: Asked) -> Answer:
        found = document(api, server=parts.places.public_url or parts.places.root_path)
        return _html(parts, "Sharetally: the HTTP API", _operations(found))

    return handler


async def _problem_page(parts: Parts, asked: Asked) -> Answer:
    code = asked.path["code"]
    if code not in STATUS:
        raise NotFound("no such problem")
    status, title = STATUS[code]
    text = f"<h1>{escape(title)}</h1><p><code>{escape(code)}</code>, HTTP {status}</p><p>{escape(MEANING[code])}</p>"
    return _html(parts, title, text)


def _html(parts: Parts, title: str, body: str) -> Answer:
    root = escape(parts.places.root_path)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    style = f'<link rel="stylesheet" href="{root}/page.css">'
    return page(f"{head}{view}{style}<main>{body}</main></html>", _TYPES["html"], CSP)


def _operations(found: dict[str, Any]) -> str:
    parts = [
        f"<h1>Sharetally</h1><p>Version {escape(found['info']['version'])}. <a href='openapi.json'>OpenAPI 3.1</a></p>"
    ]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    parts.append("<h2>Types</h2>")
    parts += [_schema(name, schema) for name, schema in sorted(found["components"]["schemas"].items())]
    return "".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    head = f"<h3 id='{operation['operationId']}'><code>{method.upper()} {escape(path)}</code></h3><p>{escape(operation['summary'])}</p>"
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td><td>{_type(each['schema'])}</td></tr>"
        for each in operation["parameters"]
    ]
    body = operation.get("requestBody")
    if body:
        rows.append(
            f"<tr><td>body</td><td>JSON</td><td>{_type(body['content']['application/json']['schema'])}</td></tr>"
        )
    answers = [
        f"<tr><td>{status}</td><td>{_answer_type(answer)}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in sorted(operation["responses"].items())
    ]
    asked = f"<h4>Takes</h4><table>{''.join(rows)}</table>" if rows else ""
    return f"<section>{head}{asked}<h4>Answers</h4><table>{''.join(answers)}</table></section>"


def _answer_type(answer: dict[str, Any]) -> str:
    return ", ".join(_type(media["schema"]) for media in answer.get("content", {}).values()) or "no body"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        f"<tr><td><code>{escape(field)}</code>{'' if field in required else '?'}</td><td>{_type(kind)}</td></tr>"
        for field, kind in schema.get("properties", {}).items()
    ]
    about = escape(schema.get("description", ""))
    return f"<section><h3 id='{escape(name)}'><code>{escape(name)}</code></h3><p>{about}</p><table>{''.join(rows)}</table></section>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    kind = f"list of {_type(schema['items'])}" if "items" in schema else escape(str(schema.get("type", "any")))
    limits = [f"{name} {escape(str(schema[name]))}" for name in _LIMITS if name in schema]
    return f"{kind} <small>{', '.join(limits)}</small>" if limits else kind


_LIMITS = ("format", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "default")

MEANING = {
    "invalid-request": "A field is missing, unknown, of the wrong type or too long. The member `invalid` names each.",
    "unsupported-platforms": "At least one platform is not in SHARE_PLATFORMS. Nothing of the request was written.",
    "unauthenticated": "Send a token or an API key that holds, as `Authorization: Bearer …`.",
    "forbidden": "The credential holds, and does not allow this. The detail names the scope that would.",
    "not-found": "There is no such path or thing, or it is not yours to see.",
    "method-not-allowed": "The path exists for other methods; the header `Allow` names them.",
    "conflict": "What stands now does not allow the request, for example a retry of a share that did not fail.",
    "gone": "The link has expired or was deleted.",
    "too-large": "A body has at most 64 KiB, on bulk routes 1 MiB.",
    "idempotency-key-reused": "Take a new Idempotency-Key for a new request.",
    "job-id-reused": "Take a new jobId for a new adjustment.",
    "rate-limited": "Wait as long as `Retry-After` says.",
    "internal": "A fault of this service. The member `requestId` finds it in the log.",
    "unavailable": "Something this service needs is away. Try again after `Retry-After` seconds, with the same "
    "Idempotency-Key: the effect may have happened, unless the detail says that nothing was written.",
}
