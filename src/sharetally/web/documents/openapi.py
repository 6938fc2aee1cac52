"""The OpenAPI 3.1 document, made from the table of endpoints and the types in `schemas/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sharetally import __version__
from sharetally.web.auth.sessions import COOKIE
from sharetally.web.documents.examples import EXAMPLES
from sharetally.web.documents.openapi_parameters import REF, as_json_schema, parameters
from sharetally.web.documents.openapi_responses import PROBLEM, TEXTS, responses
from sharetally.web.endpoint import Access, Endpoint

_ABOUT = """\
JSON in, JSON out; times are RFC 3339 in UTC; ids are compared exactly. Unknown fields and parameters are \
refused. A body has at most 64 KiB, on the bulk routes 1 MiB.

Every answer carries `X-Request-Id`: the one that was sent, if it matches `[A-Za-z0-9._:-]{1,128}`, else a new \
one; and `X-Content-Type-Options: nosniff`. Every write takes an `Idempotency-Key`. Errors are RFC 9457 problems, \
whose `type` is a page of this service.

Lists are newest first, `pageSize` at a time; `next` is what `startingAfter` takes, and null on the last page.

Counts of many contents are told as they move over the WebSocket `/live`; who asks for it without WebSocket is \
answered by 426, `upgrade-required`. Its messages, and what is told and taken over RabbitMQ, stand in \
`/asyncapi.json` (AsyncAPI 3.0).
"""
_ABOUT_COOKIE = """\
A session of the console, for its own pages; `__Host-` stands before the name where the service is reached by https. \
What changes something must come from the same origin with the header `X-Sharetally-Console: 1`."""
_TAGS = {
    "Shares": "Who shared what where: recorded, withdrawn, tried again.",
    "Share links": "Short addresses to hand out; each is a share of its content.",
    "Counts": "Exact counts, their breakdown, their corrections and their proof.",
    "Analytics": "Shares over time and the most shared; they agree with the counts to the last share.",
    "Contents": "What people are shown of a content beside its count, and how it is found.",
    "Audit": "Who did what, when, with which outcome.",
    "Tokens": "For servers that have users of their own.",
    "Console": "Signing in to the console, by a cookie that only its own pages can use.",
    "Parked jobs": "Jobs that cannot be counted as they are, until somebody decides.",
    "Keys": "API keys, for servers.",
    "Operation": "For whoever runs this service.",
}


def document(endpoints: Sequence[Endpoint], *, server: str) -> dict[str, Any]:
    """The whole document; `server` is the address or path of this service."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    used = {endpoint.tag for endpoint in endpoints}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sharetally",
            "version": __version__,
            "summary": "Every share, counted exactly once.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server or "/"}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items() if name in used],
        "paths": paths,
        "components": {"schemas": _schemas(endpoints), "securitySchemes": _security_schemes()},
    }


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    _, found = msgspec.json.schema_components(_types(endpoints), ref_template=REF)
    return {**as_json_schema(found), "Problem": PROBLEM}


def _types(endpoints: Iterable[Endpoint]) -> list[Any]:
    named = [kind for endpoint in endpoints for kind in (endpoint.body, *endpoint.responses.values())]
    return list(dict.fromkeys(kind for kind in named if kind not in (None, *TEXTS)))


def _security_schemes() -> dict[str, Any]:
    about_key = "A server's key. With the scope `act-as` it names the user in `X-User-Id`."
    return {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's token."},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": about_key},
        "console": {"type": "apiKey", "in": "cookie", "name": COOKIE.name, "description": _ABOUT_COOKIE},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": _ACCESS[endpoint.access],
        "tags": [endpoint.tag],
        "parameters": parameters(endpoint),
        "responses": responses(endpoint),
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        operation["requestBody"] = _body(endpoint)
    return operation


_ACCESS = {
    Access.PUBLIC: "For everybody.",
    Access.COUNTS: "For everybody, unless PUBLIC_COUNTS is off; then for any token.",
    Access.SIGNED: "For any token but a visitor's.",
    Access.SIGNED_OR_VISITOR: "For any token, a visitor's too.",
    Access.SHARES: "Needs the scope `shares`.",
    Access.VISITS: "Needs the scope `shares`, or `visits`, which visitors have.",
    Access.ADMIN: "Needs the scope `admin`.",
    Access.OPERATORS: "For addresses in OPS_NETWORKS; else it needs the scope `admin`.",
    Access.CONSOLE: "For who is signed in to the console.",
    Access.ACT_AS: "Needs an API key with the scope `act-as`.",
    Access.ANALYTICS: "Needs the scope `analytics`.",
    Access.CONTENT: "Needs the scope `analytics`, `audit` or `admin`.",
    Access.STATUS: "Needs the scope `analytics` or `admin`.",
}


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z]+", endpoint.path)
    return endpoint.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _body(endpoint: Endpoint) -> dict[str, Any]:
    schema = {"$ref": REF.format(name=endpoint.body.__name__)}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": EXAMPLES[endpoint.body]}}}


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.access is Access.PUBLIC:
        return []
    session: dict[str, list[str]] = {"console": []}
    if endpoint.access is Access.CONSOLE:
        return [session]
    either: list[dict[str, list[str]]] = [{"token": []}, {"apiKey": []}, session]
    return [{}, *either] if endpoint.access in (Access.COUNTS, Access.OPERATORS) else either
