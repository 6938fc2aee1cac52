"""What the fakes of Meta's APIs have in common: the form of an error, and pages of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.api_server import Reply


def graph_error(
    code: int, message: str, *, subcode: int = 0, transient: bool = False, status: int = 400, **headers: str
) -> Reply:
    """An error as Meta writes it; names of headers with underscores."""
    body: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3d4E5"}
    if subcode:
        body["error_subcode"] = subcode
    if transient:
        body["is_transient"] = True
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, json={"error": body}, headers=named)


INVALID_TOKEN = graph_error(190, "Error validating access token: the user has removed the application.", subcode=458)
ROLE_LOST = graph_error(190, "The user must be an administrator of the page.", subcode=492)
PERMISSION = graph_error(200, "(#200) The user hasn't authorized the application to perform this action", status=403)
BLOCKED = graph_error(368, "The action attempted has been deemed abusive or is otherwise disallowed")
APPLICATION_LIMIT = graph_error(4, "(#4) Application request limit reached", transient=True)
ACCOUNT_LIMIT = graph_error(
    32,
    "(#32) Page request limit reached",
    x_business_use_case_usage='{"1755847": [{"type": "pages", "estimated_time_to_regain_access": 7}]}',
)
OUTAGE = graph_error(2, "Service temporarily unavailable", transient=True, status=500)
ENDED_VERSION = graph_error(
    2635, "You are calling a deprecated version of the API. Please update to the latest version."
)
NO_SUCH_OBJECT = graph_error(
    100, "Unsupported request. Object with ID '1' does not exist, or cannot be loaded", subcode=33
)


def paged(items: Sequence[Any], after: str, limit: str) -> dict[str, Any]:
    """One page of results; the cursor is an offset."""
    begin, size = int(after or "0"), int(limit or "25")
    page = list(items[begin : begin + size])
    cursors = {"before": str(begin), "after": str(begin + size)}
    paging: dict[str, Any] = {"cursors": cursors}
    if len(items) > begin + size:
        paging["next"] = "https://graph.example/next"
    return {"data": page, "paging": paging} if page else {"data": []}
