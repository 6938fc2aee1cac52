"""The OpenAPI 3.1 document, made from the endpoints and the types that they name."""

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
from sharetally.web.endpoint import Access, AnyEndpoint

_ABOUT = """\
JSON in, JSON out; times are RFC 3339 in UTC; ids are compared exactly. Unknown fields and parameters are \
refused. A body has at most 64 KiB, on the bulk routes 1 MiB.

Every response carries `X-Request-Id`: the one that was sent, if it matches `[A-Za-z0-9._:-]{1,128}`, else a new \
one; and `X-Content-Type-Options: nosniff`. Every write takes an `Idempotency-Key`. Errors are RFC 9457 problems, \
whose `type` is a page of this service.

Lists are newest first, `pageSize` at a time; `next` is what `startingAfter` takes, and null on the last page.

The WebSocket `/live` sends the counts of many content items whenever they change; a request for it without WebSocket \
is answered by 426, `upgrade-required`. `/asyncapi.json` (AsyncAPI 3.0) describes its messages and those that this \
service sends and receives over RabbitMQ.
"""
_ABOUT_COOKIE = """\
A session of the console, for its own pages. The name has the prefix `__Host-` if the service is reached by https. \
Requests that change something must come from the same origin and have the header `X-Sharetally-Console: 1`."""
_TAGS = {
    "Shares": "Record, withdraw and retry shares, and see who shared what where.",
    "Share links": "Short addresses to hand out. Each one counts as a share of its content item.",
    "Posts": "What this service has posted for users, what waits, and what a person has to decide.",
    "Accounts": "The accounts on platforms from which this service may post for a user.",
    "Counts": "Exact counts, their breakdown, their corrections and their proof.",
    "Analytics": "Shares over time, and the most shared content items. They agree with the counts to the last share.",
    "Contents": "The titles, pictures and addresses of content items, and how to find them.",
    "Audit": "Who did what, when, with which outcome.",
    "Tokens": "For servers that have users of their own.",
    "Console": "Signing in to the console, by a cookie that only its own pages can use.",
    "Parked jobs": "Jobs that cannot be counted as they are until somebody decides about them.",
    "Keys": "API keys, for servers.",
    "Operation": "For those who run this service.",
}


def document(endpoints: Sequence[AnyEndpoint], *, server: str) -> dict[str, Any]:
    """The whole document; `server` is the address or path of this service."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        words = re.findall(r"[A-Za-z]+", endpoint.path)
        operation_id = endpoint.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)
        operation: dict[str, Any] = {
            "operationId": operation_id,
            "summary": endpoint.summary,
            "description": _access(endpoint),
            "tags": [endpoint.tag],
            "parameters": parameters(endpoint),
            "responses": responses(endpoint),
            "security": _security(endpoint),
        }
        if endpoint.body is not None:
            schema = {"$ref": REF.format(name=endpoint.body.__name__)}
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": schema, "example": EXAMPLES[endpoint.body]}},
            }
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    used = {endpoint.tag for endpoint in endpoints}
    _, found = msgspec.json.schema_components(_types(endpoints), ref_template=REF)
    schemas = {**as_json_schema(found), "Problem": PROBLEM}
    about_key = "A server's key. With the scope `act-as` it names the user in `X-User-Id`."
    security_schemes = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's token."},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": about_key},
        "console": {"type": "apiKey", "in": "cookie", "name": COOKIE.name, "description": _ABOUT_COOKIE},
    }
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
        "components": {"schemas": schemas, "securitySchemes": security_schemes},
    }


def _types(endpoints: Iterable[AnyEndpoint]) -> list[Any]:
    named = [kind for endpoint in endpoints for kind in (endpoint.body, *endpoint.responses.values())]
    return list(dict.fromkeys(kind for kind in named if kind not in (None, *TEXTS)))


_ACCESS = {
    Access.PUBLIC: "For everybody.",
    Access.PUBLIC_COUNTS: "For everybody; if PUBLIC_COUNTS is off, for any token.",
    Access.ANY_TOKEN: "For any token but a visitor's.",
    Access.VISITORS_TOO: "For any token, including a visitor's.",
    Access.OPERATORS: "For addresses in OPS_NETWORKS; others need the scope `admin`.",
    Access.CONSOLE: "For people who are signed in to the console.",
}


def _access(endpoint: AnyEndpoint) -> str:
    """Who may use the endpoint, in one sentence."""
    match endpoint.scopes:
        case ():
            return _ACCESS[endpoint.access]
        case (only, "visits"):
            return f"Needs the scope `{only}`, or `visits`, which visitors have."
        case ("act-as",):
            return "Needs an API key with the scope `act-as`."
        case (*others, last):
            listed = ", ".join(f"`{each}`" for each in others)
            return f"Needs the scope {listed} or `{last}`." if others else f"Needs the scope `{last}`."
    raise AssertionError(endpoint.scopes)


def _security(endpoint: AnyEndpoint) -> list[dict[str, list[str]]]:
    if endpoint.access is Access.PUBLIC:
        return []
    session: dict[str, list[str]] = {"console": []}
    if endpoint.access is Access.CONSOLE:
        return [session]
    either: list[dict[str, list[str]]] = [{"token": []}, {"apiKey": []}, session]
    return [{}, *either] if endpoint.access in (Access.PUBLIC_COUNTS, Access.OPERATORS) else either
