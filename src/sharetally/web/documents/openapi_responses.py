"""Answers of the OpenAPI document: what comes back, with which headers, and every error there may be."""

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
    """By status: what is answered where all is well, then every error."""
    successes = {str(status): _answer(endpoint, status, kind) for status, kind in endpoint.responses.items()}
    return {**successes, **_problems(endpoint)}


def _answer(endpoint: AnyEndpoint, status: int, kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _DESCRIPTIONS[status], "headers": _headers(endpoint, status)}
    if kind is not None:
        kinds = {endpoint.media_type: kind, **endpoint.other_media}
        found["content"] = {media: _media_type_object(each) for media, each in kinds.items()}
    return found


def _media_type_object(kind: Any) -> dict[str, Any]:
    schema = {"type": "string"} if kind in TEXTS else {"$ref": REF.format(name=kind.__name__)}
    return {"schema": schema, "example": EXAMPLES[kind]}


def _problems(endpoint: AnyEndpoint) -> dict[str, Any]:
    codes = {*endpoint.problems, "internal"}
    if endpoint.access is not Access.PUBLIC:
        codes |= {"unauthenticated", "forbidden", "invalid-request"}
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(STATUS[code][0], []).append(code)
    return {str(status): _problem(endpoint, status, by_status[status]) for status in sorted(by_status)}


def _problem(endpoint: AnyEndpoint, status: int, codes: list[str]) -> dict[str, Any]:
    about = "; ".join(f"`{code}`: {STATUS[code][1].lower()}" for code in codes)
    media = {"schema": {"$ref": REF.format(name="Problem")}, "examples": {code: _example(code) for code in codes}}
    return {"description": about, "headers": _headers(endpoint, status), "content": {MEDIA_TYPE: media}}


def _example(code: str) -> dict[str, Any]:
    status, title = STATUS[code]
    value = {"type": f"/problems/{code}", "title": title, "status": status, "detail": title}
    return {"value": value | _MEMBERS.get(code, {})}


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
    if status == 401:
        found["WWW-Authenticate"] = "`Bearer`"
    if status == 429 or (status == 503 and endpoint.responses.get(503) is None):
        found["Retry-After"] = "Seconds to wait."
    if status == 429 or (endpoint.writes and status < 500) or (endpoint.path == "/tokens/visitor" and status == 200):
        found["RateLimit"] = "Writes that remain, and seconds until there are more; absent if writes are not limited."
        found["RateLimit-Policy"] = "The allowed writes and their time window in seconds."
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in found.items()}
