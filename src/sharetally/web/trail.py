"""The audit, and tokens for one's own front end."""

from __future__ import annotations

from msgspec import UNSET

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.content import id_fault
from sharetally.domain.errors import Forbidden, InvalidRequest
from sharetally.ports import AuditFilter
from sharetally.web.answers import Answer, json_answer
from sharetally.web.bodies import utc
from sharetally.web.endpoint import Asked
from sharetally.web.paging import page_of, starting_after
from sharetally.web.parts import Parts
from sharetally.web.schemas import ErrorBody
from sharetally.web.schemas_trail import AuditLine, AuditLines, AuditQuery, Token


async def audit(parts: Parts, asked: Asked) -> Answer:
    """Who did what: everything with the scope `audit`, else one's own."""
    query: AuditQuery = asked.query
    wanted = AuditFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        platform=parts.canonical(query.platform) if query.platform is not UNSET else None,
        user_id=_whose(asked.signed, query.userId or None),
        status=query.status or None,
        action=query.action or None,
        start=utc(query.start, "from"),
        end=utc(query.end, "to"),
        request_id=query.requestId or None,
    )
    found = await parts.reading.audit(wanted, limit=query.pageSize + 1, after=starting_after(query))
    items, following = page_of(found, query.pageSize)
    return json_answer(200, AuditLines(items=[_line(entry) for entry in items], next=following))


def _whose(caller: Caller, user_id: str | None) -> str | None:
    if caller.may("audit"):
        return user_id
    if user_id is not None and user_id != caller.user_id:
        raise Forbidden("other people's audit needs the scope audit")
    return caller.user_id


def _line(entry: AuditEntry) -> AuditLine:
    failed = entry.error_code is not None or entry.error_message is not None
    return AuditLine(
        id=str(entry.id),
        at=entry.at,
        userId=entry.user_id,
        actor=entry.actor,
        action=entry.action,
        platform=entry.platform,
        contentType=entry.content.type,
        contentId=entry.content.id,
        status=entry.status,  # type: ignore[arg-type]  # the table's CHECK knows no other
        error=ErrorBody(code=entry.error_code or "", message=entry.error_message or "") if failed else None,
        requestId=entry.request_id,
        recordId=str(entry.subject_id),
    )


async def token(parts: Parts, asked: Asked) -> Answer:
    """A short token for a user of the caller's own."""
    body = asked.body
    if fault := id_fault(body.userId):
        raise InvalidRequest(("userId", fault))
    issued = parts.identity.issue_token(asked.signed, user_id=body.userId, scope=body.scope, ttl=body.ttl)
    shown = Token(token=issued.token, scope=" ".join(sorted(issued.scopes)), expiresAt=issued.expires_at)
    return json_answer(200, shown, ("cache-control", "no-store"))
