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
    """The response to an error."""
    code = error.code if isinstance(error, Rejected | Unavailable) else "internal"
    status, title = STATUS[code]
    detail = title
    if isinstance(error, Rejected | QueueFull):
        detail = error.detail
    elif isinstance(error, Unavailable):
        detail = _RETRY_ADVICE
    body: dict[str, Any] = {
        "type": f"{root_path}/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        **_extension_members(error, request_id),
    }
    return Response(
        status=status, headers=(("content-type", MEDIA_TYPE), *_headers(error)), body=msgspec.json.encode(body)
    )


def _extension_members(error: Exception, request_id: str) -> dict[str, Any]:
    if isinstance(error, InvalidRequest):
        return {"invalid": [{"path": path, "reason": reason} for path, reason in error.invalid]}
    if isinstance(error, UnsupportedPlatforms):
        return {"unsupported": error.unsupported, "supported": error.supported}
    return {} if isinstance(error, Rejected) else {"requestId": request_id}


def _headers(error: Exception) -> tuple[tuple[str, str], ...]:
    if isinstance(error, RateLimited):
        return rate_limited_fields(error)
    if isinstance(error, Unavailable):
        return (("retry-after", str(error.retry_after)),)
    if isinstance(error, MethodNotAllowed):
        return (("allow", ", ".join(error.allowed)),)
    if isinstance(error, UpgradeRequired):
        return (("upgrade", error.protocol), ("connection", "upgrade"))
    if isinstance(error, Rejected) and error.code == "unauthenticated":
        return (("www-authenticate", 'Bearer realm="sharetally"'),)
    return ()
