"""Turns errors into RFC 9457 problems; the only place that knows which status an error has.

`type` is the path of a page of this service that explains the error. A 500 or 503 never reveals anything about the
database; it contains the request id, by which the error can be found in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from sharetally.domain.errors import (
    InvalidRequest,
    MethodNotAllowed,
    QueueFull,
    RateLimited,
    Rejected,
    Unauthenticated,
    Unavailable,
    UnsupportedPlatforms,
    UpgradeRequired,
)
from sharetally.web.auth.quota import rate_limited_fields
from sharetally.web.responses import Response

STATUS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "invalid-request": (400, "The request is malformed"),
        "unsupported-platforms": (400, "A platform is not allowed"),
        "unauthenticated": (401, "A valid credential is required"),
        "forbidden": (403, "Not allowed"),
        "not-found": (404, "Not found"),
        "method-not-allowed": (405, "The method is not allowed"),
        "conflict": (409, "The current state does not allow it"),
        "gone": (410, "No longer available"),
        "too-large": (413, "The body is too large"),
        "idempotency-key-reused": (422, "The Idempotency-Key was used for another request"),
        "job-id-reused": (422, "The jobId was used for another adjustment"),
        "upgrade-required": (426, "Another protocol is required"),
        "rate-limited": (429, "Too many writes"),
        "internal": (500, "Internal error"),
        "platform-unavailable": (502, "The platform does not answer"),
        "unavailable": (503, "Temporarily unavailable"),
    }
)
MEDIA_TYPE = "application/problem+json"
_RETRY_ADVICE = (
    "the request may still have taken effect; repeat it after Retry-After, a write with the same Idempotency-Key"
)


def problem(error: Exception, *, root_path: str, request_id: str) -> Response:
    """The response to an error; one that nobody expected gets the status 500 and no detail."""
    code = error.code if isinstance(error, Rejected | Unavailable) else "internal"
    status, title = STATUS[code]
    detail, members = title, dict[str, Any]()
    fields: tuple[tuple[str, str], ...] = ()
    match error:
        case InvalidRequest():
            members = {"invalid": [{"path": path, "reason": reason} for path, reason in error.invalid]}
        case UnsupportedPlatforms():
            members = {"unsupported": error.unsupported, "supported": error.supported}
        case RateLimited():
            fields = rate_limited_fields(error)
        case MethodNotAllowed():
            fields = (("allow", ", ".join(error.allowed)),)
        case UpgradeRequired():
            fields = (("upgrade", error.protocol), ("connection", "upgrade"))
        case Unauthenticated():
            fields = (("www-authenticate", 'Bearer realm="sharetally"'),)
        case Unavailable():
            detail, fields = _RETRY_ADVICE, (("retry-after", str(error.retry_after)),)
    if isinstance(error, Rejected | QueueFull):
        detail = error.detail
    if not isinstance(error, Rejected):
        members = {"requestId": request_id}
    body = {"type": f"{root_path}/problems/{code}", "title": title, "status": status, "detail": detail, **members}
    return Response(status=status, headers=(("content-type", MEDIA_TYPE), *fields), body=msgspec.json.encode(body))
