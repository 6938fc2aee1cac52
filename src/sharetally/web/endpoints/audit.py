"""The audit: who did what, and all that happened to one thing."""

from __future__ import annotations

from msgspec import UNSET

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, NotFound
from sharetally.domain.share import ShareRecord
from sharetally.ports import AuditFilter
from sharetally.web.decoding import to_utc
from sharetally.web.endpoint import Request
from sharetally.web.endpoints.links import link_body
from sharetally.web.endpoints.pagination import split_page, starting_after
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.audit import AuditFilterQuery, AuditLine, AuditLines, AuditQuery, RecordBody, RecordHistory
from sharetally.web.schemas.shares import ErrorBody
from sharetally.web.services import Services, id_from_path

MAX_HISTORY = 1_000  # lines of one record that are shown


async def audit(services: Services, request: Request) -> Response:
    """Who did what: everything with the scope `audit`, else one's own."""
    query: AuditQuery = request.query
    criteria = audit_filter(services, request.caller, query)
    entries = await services.audit.page(criteria, limit=query.pageSize + 1, after=starting_after(query))
    items, following = split_page(entries, query.pageSize)
    return json_response(200, AuditLines(items=[audit_line_body(entry) for entry in items], next=following))


def audit_filter(services: Services, caller: Caller, query: AuditFilterQuery) -> AuditFilter:
    """What the query asks for, as far as the caller may see it."""
    return AuditFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        platform=services.canonical_platform(query.platform) if query.platform is not UNSET else None,
        user_id=_visible_user(caller, query.userId or None),
        status=query.status or None,
        action=query.action or None,
        start=to_utc(query.start, "from"),
        end=to_utc(query.end, "to"),
        request_id=query.requestId or None,
    )


def _visible_user(caller: Caller, user_id: str | None) -> str | None:
    if caller.may("audit"):
        return user_id
    if user_id is not None and user_id != caller.user_id:
        raise Forbidden("other people's audit needs the scope audit")
    return caller.user_id


def audit_line_body(entry: AuditEntry) -> AuditLine:
    """A line as callers see it."""
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


async def history(services: Services, request: Request) -> Response:
    """A share, link or correction as it stands, and all that happened to it; one's own without the scope `audit`."""
    subject = id_from_path(request, "recordId")
    criteria = AuditFilter(subject_id=subject, user_id=_visible_user(request.caller, None))
    entries = await services.audit.page(criteria, limit=MAX_HISTORY, after=None)
    if not entries:
        raise NotFound("nothing happened to this id, or not to one of yours")
    record, link = await services.shares.by_id(subject), await services.links.by_id(subject)
    body = RecordHistory(
        record=_record_body(record) if record else None,
        link=link_body(services, link) if link else None,
        entries=[audit_line_body(entry) for entry in reversed(entries)],
    )
    return json_response(200, body)


def _record_body(record: ShareRecord) -> RecordBody:
    failed = record.error_code is not None or record.error_message is not None
    return RecordBody(
        id=str(record.id),
        contentType=record.content.type,
        contentId=record.content.id,
        platform=record.platform,
        userId=record.user_id,
        status=record.status.value,
        evidence=record.evidence.value,
        attemptCount=record.attempt_count,
        error=ErrorBody(code=record.error_code or "", message=record.error_message or "") if failed else None,
        firstSharedAt=record.first_shared_at,
        lastSharedAt=record.last_shared_at,
        externalId=record.external_id,
        externalUrl=record.external_url,
    )
