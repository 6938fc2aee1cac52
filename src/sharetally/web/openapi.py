"""The OpenAPI 3.1 document, made from the table of endpoints and the types in `schemas.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sharetally import __version__
from sharetally.web.endpoint import Access, Endpoint
from sharetally.web.problems import MEDIA_TYPE, STATUS
from sharetally.web.schemas_fields import CONTENT_TYPE

REF = "#/components/schemas/{name}"
_PARAMETERS: dict[str, dict[str, Any]] = {
    "contentType": {"type": "string", "pattern": CONTENT_TYPE},
    "contentId": {"type": "string", "minLength": 1, "maxLength": 128},
    "videoId": {"type": "string", "minLength": 1, "maxLength": 128},
    "platform": {"type": "string", "minLength": 1, "maxLength": 32},
    "id": {"type": "string", "format": "uuid"},
    "code": {"type": "string", "minLength": 1, "maxLength": 64},
}
_EXAMPLES = {
    "contentType": "video",
    "contentId": "dQw4w9WgXcQ",
    "videoId": "dQw4w9WgXcQ",
    "platform": "twitter",
    "id": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f",
    "code": "aB3dE5fG7h",
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "The address of a page that explains the error."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "invalid": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "reason"],
                "properties": {"path": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
        "unsupported": {"type": "array", "items": {"type": "string"}},
        "supported": {"type": "array", "items": {"type": "string"}},
        "requestId": {"type": "string"},
    },
}


def document(endpoints: Sequence[Endpoint], *, server: str) -> dict[str, Any]:
    """The whole document; `server` is the address or path of this service."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sharetally",
            "version": __version__,
            "summary": "Every share, counted exactly once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server or "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(endpoints), "securitySchemes": _security_schemes()},
    }


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    _, found = msgspec.json.schema_components(_types(endpoints), ref_template=REF)
    return {**found, "Problem": _PROBLEM}


def _types(endpoints: Iterable[Endpoint]) -> list[Any]:
    kinds: dict[int, Any] = {}
    for endpoint in endpoints:
        for kind in (endpoint.body, *endpoint.answers.values()):
            if kind not in (None, str):
                kinds[id(kind)] = kind
    return list(kinds.values())


def _security_schemes() -> dict[str, Any]:
    return {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's token."},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "A server's key."},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint), *_header_parameters(endpoint)],
        "responses": {**_answers(endpoint), **_problems(endpoint)},
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        operation["requestBody"] = _body(endpoint)
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words: list[str] = [endpoint.method.lower(), *re.findall(r"[A-Za-z]+", endpoint.path)]
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", endpoint.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name], "example": _EXAMPLES[name]}
        for name in names
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    _, components = msgspec.json.schema_components([endpoint.query], ref_template=REF)
    properties = components[endpoint.query.__name__]["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]


def _header_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if endpoint.writes:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        about = "The same key again gets the stored answer; another request under it is 422."
        found.append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema, "description": about}
        )
    if 304 in endpoint.answers:
        found.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    return found


def _body(endpoint: Endpoint) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": REF.format(name=endpoint.body.__name__)}}
    if "body" in endpoint.examples:
        media["example"] = endpoint.examples["body"]
    return {"required": True, "content": {"application/json": media}}


def _answers(endpoint: Endpoint) -> dict[str, Any]:
    return {str(status): _answer(endpoint, status, kind) for status, kind in endpoint.answers.items()}


_WORDS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "Done",
    302: "Where it leads",
    304: "Not changed",
    503: "Not ready",
}


def _answer(endpoint: Endpoint, status: int, kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _WORDS[status], "headers": {"X-Request-Id": _header("The request's id.")}}
    if status in (201, 302):
        found["headers"]["Location"] = _header("Where it is.")
    if 304 in endpoint.answers:
        found["headers"]["ETag"] = _header("The version, to ask again with If-None-Match.")
    if kind is not None:
        schema = {"type": "string"} if kind is str else {"$ref": REF.format(name=kind.__name__)}
        found["content"] = {endpoint.media_type: {"schema": schema}}
    return found


def _header(about: str) -> dict[str, Any]:
    return {"description": about, "schema": {"type": "string"}}


def _problems(endpoint: Endpoint) -> dict[str, Any]:
    codes = {*endpoint.problems, "internal"}
    if endpoint.access is not Access.PUBLIC:
        codes |= {"unauthenticated", "forbidden", "invalid-request"}
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(STATUS[code][0], []).append(code)
    return {str(status): _problem_answer(by_status[status]) for status in sorted(by_status)}


def _problem_answer(codes: list[str]) -> dict[str, Any]:
    about = "; ".join(f"`{code}`: {STATUS[code][1].lower()}" for code in codes)
    content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}}
    return {"description": about, "content": content}


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.access is Access.PUBLIC:
        return []
    either: list[dict[str, list[str]]] = [{"token": []}, {"apiKey": []}]
    return [{}, *either] if endpoint.access is Access.COUNTS else either
