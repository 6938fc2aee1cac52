"""The OpenAPI 3.1 document, which is made from the table of endpoints and the types in `schemas/`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from sharetally import __version__
from sharetally.web.auth.sessions import COOKIE
from sharetally.web.documents.examples import EXAMPLES
from sharetally.web.documents.openapi_parameters import REF, as_json_schema, parameters
from sharetally.web.documents.openapi_responses import PROBLEM, TEXTS, responses
from sharetally.web.endpoint import Access, Endpoint

_ABOUT = """\
Requests and responses are JSON. Times are RFC 3339 in UTC, and ids are compared exactly. Unknown fields and \
parameters are rejected. A body may have 64 KiB at most, on the bulk routes 1 MiB.

Every response has `X-Request-Id`, which is the one of the request if that matches `[A-Za-z0-9._:-]{1,128}` and a new \
one otherwise, and `X-Content-Type-Options: nosniff`. Every write accepts an `Idempotency-Key`. Errors are RFC 9457 \
problems; their `type` is the address of a page of this service.

Lists are sorted newest first and return `pageSize` items at a time. `next` is the value of `startingAfter` for the \
next page, and null on the last page.

The WebSocket `/live` sends the counts of many content items whenever they change; a plain HTTP request to it gets \
426, `upgrade-required`. Its messages, and those that are sent and received over RabbitMQ, are described in \
`/asyncapi.json` (AsyncAPI 3.0).
"""
_ABOUT_COOKIE = """\
A session of the console, for its own pages only; with https, the name of the cookie starts with `__Host-`. A request \
that changes something must come from the same origin, with the header `X-Sharetally-Console: 1`."""
_TAGS = {
    "Shares": "Share, withdraw and retry; read who shared what on which platform.",
    "Share links": "Short links to hand out; each of them counts as a share of its content item.",
    "Counts": "Exact counts: their breakdown, their adjustments and their proof.",
    "Analytics": "Shares over time and the most shared content items; they agree exactly with the counts.",
    "Contents": "Titles, images and addresses of content items, for lists and for search.",
    "Audit": "Who did what and when, and with which result.",
    "Tokens": "Tokens for the users of other services, and for visitors.",
    "Console": "Sign in to the console, with a cookie that only its own pages can use.",
    "Parked jobs": "Jobs that cannot be counted, until somebody replays or discards them.",
    "Keys": "API keys for servers.",
    "Operation": "The state of this service, for its operators.",
}


def document(endpoints: Sequence[Endpoint], *, server: str) -> dict[str, Any]:
    """The document; `server` is the address or the path of this service."""
    kinds = dict.fromkeys(kind for endpoint in endpoints for kind in (endpoint.body, *endpoint.responses.values()))
    _, schemas = msgspec.json.schema_components(
        [kind for kind in kinds if kind not in (None, *TEXTS)], ref_template=REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    used = {endpoint.tag for endpoint in endpoints}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sharetally",
            "version": __version__,
            "summary": "Counts every share exactly once.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server or "/"}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": {**as_json_schema(schemas), "Problem": PROBLEM},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


_SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's token."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "The API key of a server. With the scope `act-as` it may name a user in `X-User-Id`.",
    },
    "console": {"type": "apiKey", "in": "cookie", "name": COOKIE.name, "description": _ABOUT_COOKIE},
}


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    words = re.findall(r"[A-Za-z]+", endpoint.path)
    operation: dict[str, Any] = {
        "operationId": endpoint.method.lower() + "".join(word[:1].upper() + word[1:] for word in words),
        "summary": endpoint.summary,
        "description": _ACCESS[endpoint.access],
        "tags": [endpoint.tag],
        "parameters": parameters(endpoint),
        "responses": responses(endpoint),
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        schema = {"$ref": REF.format(name=endpoint.body.__name__)}
        media = {"schema": schema, "example": EXAMPLES[endpoint.body]}
        operation["requestBody"] = {"required": True, "content": {"application/json": media}}
    return operation


_ACCESS = {
    Access.PUBLIC: "Needs no credential.",
    Access.COUNTS: "Needs no credential, unless PUBLIC_COUNTS is off; then it needs any credential but a "
    "visitor's token.",
    Access.SIGNED: "Needs any credential but a visitor's token.",
    Access.SIGNED_OR_VISITOR: "Needs any credential; a visitor's token will do.",
    Access.SHARES: "Needs the scope `shares`.",
    Access.VISITS: "Needs the scope `shares`, or the scope `visits` of a visitor's token.",
    Access.ADMIN: "Needs the scope `admin`.",
    Access.OPERATORS: "Needs no credential from addresses in OPS_NETWORKS; from others it needs the scope `admin`.",
    Access.CONSOLE: "Needs a session of the console.",
    Access.ACT_AS: "Needs an API key with the scope `act-as`.",
    Access.ANALYTICS: "Needs the scope `analytics`.",
    Access.CONTENT: "Needs the scope `analytics`, `audit` or `admin`.",
    Access.STATUS: "Needs the scope `analytics` or `admin`.",
}


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.access is Access.PUBLIC:
        return []
    session: dict[str, list[str]] = {"console": []}
    if endpoint.access is Access.CONSOLE:
        return [session]
    either: list[dict[str, list[str]]] = [{"token": []}, {"apiKey": []}, session]
    return [{}, *either] if endpoint.access in (Access.COUNTS, Access.OPERATORS) else either
