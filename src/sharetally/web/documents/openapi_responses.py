"""The responses of the OpenAPI document: what comes back, with which headers, and every possible error."""

from __future__ import annotations

from typing import Any

from sharetally.web.api.audit.schemas import CsvText, JsonLines
from sharetally.web.api.counts.schemas import EventText
from sharetally.web.documents.examples import EXAMPLES
from sharetally.web.documents.openapi_parameters import REF
from sharetally.web.endpoint import Access, AnyEndpoint
from sharetally.web.problems import MEDIA_TYPE, STATUS

TEXTS = (str, EventText, CsvText, JsonLines)
_DESCRIPTIONS = {
    200: "OK",
    201: "Created",
    202: "Accepted: it will be counted or posted",
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
        "detail": {"type": "string", "description": "One sentence about this case."},
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
            "description": "With `unsupported-platforms`: the names that are.",
            "items": {"type": "string"},
        },
        "requestId": {"type": "string", "description": "With 500 and 503: the id to look for in the log."},
    },
}
_MEMBERS: dict[str, dict[str, Any]] = {
    "invalid-request": {"invalid": [{"path": "platforms", "reason": "expected `array` of length >= 1"}]},
    "unsupported-platforms": {"unsupported": ["myspace"], "supported": ["twitter", "whatsapp"]},
    "internal": {"requestId": "b2f1c0d4e5"},
    "unavailable": {"requestId": "b2f1c0d4e5"},
}


def responses(endpoint: AnyEndpoint) -> dict[str, Any]:
    """By status: the response where all is well, then every error."""
    described: dict[str, Any] = {}
    for status, kind in endpoint.responses.items():
        response = described[str(status)] = {
            "description": _DESCRIPTIONS[status],
            "headers": _headers(endpoint, status),
        }
        if kind is not None:
            response["content"] = {
                media_type: {
                    "schema": {"type": "string"} if each in TEXTS else {"$ref": REF.format(name=each.__name__)},
                    "example": EXAMPLES[each],
                }
                for media_type, each in {endpoint.media_type: kind, **endpoint.other_media}.items()
            }
    codes = {*endpoint.problems, "internal"}
    if endpoint.access is not Access.PUBLIC:
        codes |= {"unauthenticated", "forbidden", "invalid-request"}
    for status in sorted({STATUS[code][0] for code in codes}):
        titles = {code: STATUS[code][1] for code in sorted(codes) if STATUS[code][0] == status}
        examples = {
            code: {"type": f"/problems/{code}", "title": title, "status": status, "detail": title}
            | _MEMBERS.get(code, {})
            for code, title in titles.items()
        }
        described[str(status)] = {
            "description": "; ".join(f"`{code}`: {title.lower()}" for code, title in titles.items()),
            "headers": _headers(endpoint, status),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": REF.format(name="Problem")},
                    "examples": {code: {"value": value} for code, value in examples.items()},
                }
            },
        }
    return described


def _headers(endpoint: AnyEndpoint, status: int) -> dict[str, Any]:
    found = {"X-Request-Id": "The caller's own id if it is acceptable, otherwise a new one."}
    if status in (201, 302):
        found["Location"] = "Its address."
    if status == 200 and endpoint.other_media:
        found["Content-Disposition"] = "A name for the file."
    if status in (200, 304) and 304 in endpoint.responses:
        found["ETag"] = "The version, for `If-None-Match` in the next request; absent with `consistent`."
        found["Cache-Control"] = "`no-cache`, or `no-store` with `consistent`."
    if status == 200 and endpoint.media_type == "text/event-stream":
        found["X-Accel-Buffering"] = "`no`: nginx passes each event on at once."
    if endpoint.path == "/console/session" and endpoint.method != "GET" and status < 300:
        found["Set-Cookie"] = "The session; empty after it has ended."
    if endpoint.path == "/accounts/{platform}/connect" and status == 200:
        found["Set-Cookie"] = "Binds the connection to this browser for ten minutes."
    if status == 401:
        found["WWW-Authenticate"] = "`Bearer`"
    if status == 429 or (status == 503 and endpoint.responses.get(503) is None):
        found["Retry-After"] = "Seconds to wait."
    has_own_limit = endpoint.path in ("/tokens/visitor", "/accounts/{platform}/connect")
    if status == 429 or (endpoint.writes and status < 500) or (has_own_limit and status < 300):
        found["RateLimit"] = "Writes that remain, and seconds until there are more; absent if writes are not limited."
        found["RateLimit-Policy"] = "The allowed writes and their time window in seconds."
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in found.items()}
