"""The responses in the OpenAPI document: bodies, headers, and every possible error."""

from __future__ import annotations

from typing import Any

from sharetally.web.documents.examples import EXAMPLES
from sharetally.web.documents.openapi_parameters import REF
from sharetally.web.endpoint import Access, Endpoint
from sharetally.web.problems import MEDIA_TYPE, STATUS
from sharetally.web.schemas.audit import CsvText, JsonLines
from sharetally.web.schemas.counts import EventText

TEXTS = (str, EventText, CsvText, JsonLines)
_DESCRIPTIONS = {
    200: "OK",
    201: "Created",
    202: "Accepted, and not processed yet",
    204: "Done",
    302: "Redirect to the target",
    304: "Not modified",
    503: "Not ready",
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The address of a page that explains the error; it ends in the error's code.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "One sentence about this particular error."},
        "invalid": {
            "type": "array",
            "description": "With `invalid-request`: each field and what is wrong with it.",
            "items": {
                "type": "object",
                "required": ["path", "reason"],
                "properties": {"path": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
        "unsupported": {
            "type": "array",
            "description": "With `unsupported-platforms`: the names that are not allowed.",
            "items": {"type": "string"},
        },
        "supported": {
            "type": "array",
            "description": "With `unsupported-platforms`: the names that are allowed.",
            "items": {"type": "string"},
        },
        "requestId": {"type": "string", "description": "With 500 and 503: the id of the error in the log."},
    },
}
_MEMBERS: dict[str, dict[str, Any]] = {
    "invalid-request": {"invalid": [{"path": "platforms", "reason": "expected `array` of length >= 1"}]},
    "unsupported-platforms": {"unsupported": ["myspace"], "supported": ["twitter", "whatsapp"]},
    "internal": {"requestId": "b2f1c0d4e5"},
    "unavailable": {"requestId": "b2f1c0d4e5"},
}


def responses(endpoint: Endpoint) -> dict[str, Any]:
    """Status -> response: first the successful ones, then every error."""
    successes = {str(status): _success(endpoint, status, kind) for status, kind in endpoint.responses.items()}
    return {**successes, **_problems(endpoint)}


def _success(endpoint: Endpoint, status: int, kind: Any) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _DESCRIPTIONS[status], "headers": _headers(endpoint, status)}
    if kind is not None:
        response["content"] = {}
        for media_type, each in {endpoint.media_type: kind, **endpoint.other_media}.items():
            schema = {"type": "string"} if each in TEXTS else {"$ref": REF.format(name=each.__name__)}
            response["content"][media_type] = {"schema": schema, "example": EXAMPLES[each]}
    return response


def _problems(endpoint: Endpoint) -> dict[str, Any]:
    codes = {*endpoint.problems, "internal"}
    if endpoint.access is not Access.PUBLIC:
        codes |= {"unauthenticated", "forbidden", "invalid-request"}
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(STATUS[code][0], []).append(code)
    found: dict[str, Any] = {}
    for status, same_status in sorted(by_status.items()):
        titles = {code: STATUS[code][1] for code in same_status}
        examples = {
            code: {
                "value": {"type": f"/problems/{code}", "title": title, "status": status, "detail": title}
                | _MEMBERS.get(code, {})
            }
            for code, title in titles.items()
        }
        found[str(status)] = {
            "description": "; ".join(f"`{code}`: {title.lower()}" for code, title in titles.items()),
            "headers": _headers(endpoint, status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}, "examples": examples}},
        }
    return found


def _headers(endpoint: Endpoint, status: int) -> dict[str, Any]:
    found = {"X-Request-Id": "The id of the request if it had a valid one, otherwise a new one."}
    if status in (201, 302):
        found["Location"] = "The address of the resource."
    if status == 200 and endpoint.other_media:
        found["Content-Disposition"] = "A name for the downloaded file."
    if status in (200, 304) and 304 in endpoint.responses:
        found["ETag"] = "The version, for `If-None-Match` in the next request; not with `consistent`."
        found["Cache-Control"] = "`no-cache`, or `no-store` with `consistent`."
    if status == 200 and endpoint.media_type == "text/event-stream":
        found["X-Accel-Buffering"] = "`no`, so that nginx passes on each event immediately."
    if endpoint.path == "/console/session" and endpoint.method != "GET" and status < 300:
        found["Set-Cookie"] = "The session; empty after signing out."
    if status == 401:
        found["WWW-Authenticate"] = "`Bearer`"
    if status == 429 or (status == 503 and endpoint.responses.get(503) is None):
        found["Retry-After"] = "The number of seconds to wait."
    if status == 429 or (endpoint.writes and status < 500) or (endpoint.path == "/tokens/visitor" and status == 200):
        found["RateLimit"] = "Writes that are left, and seconds until there are more; missing without a limit."
        found["RateLimit-Policy"] = "The number of writes that are allowed, and the window in seconds."
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in found.items()}
