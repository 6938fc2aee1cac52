"""The audit: who did what, and all that happened to one thing."""

from __future__ import annotations

from msgspec import UNSET

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, NotFound
from sharetally.domain.share import ShareRecord
from sharetally.ports import AuditFilter
from sharetally.web.answers import Answer, json_answer
from sharetally.web.bodies import utc
from sharetally.web.endpoint import Asked
from sharetally.web.endpoints.links import shown_link
from sharetally.web.endpoints.paging import page_of, starting_after
from sharetally.web.parts import Parts, path_id
from sharetally.web.schemas.audit import AuditLine, AuditLines, AuditQuery, AuditWhich, RecordBody, RecordLife
from sharetally.web.schemas.shares import ErrorBody

LIFE = 1_000  # lines of one record that are shown


async def audit(parts: Parts, asked: Asked) -> Answer:
    """Who did what: everything with the scope `audit`, else one's own."""
    query: AuditQuery = asked.query
    wanted = which_lines(parts, asked.signed, query)
    found = await parts.reading.audit(wanted, limit=query.pageSize + 1, after=starting_after(query))
    items, following = page_of(found, query.pageSize)
    return json_answer(200, AuditLines(items=[shown_line(entry) for entry in items], next=following))


def which_lines(parts: Parts, caller: Caller, query: AuditWhich) -> AuditFilter:
    """What the query asks for, as far as the caller may see it."""
    return AuditFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        platform=parts.canonical(query.platform) if query.platform is not UNSET else None,
        user_id=_whose(caller, query.userId or None),
        status=query.status or None,
        action=query.action or None,
        start=utc(query.start, "from"),
        end=utc(query.end, "to"),
        request_id=query.requestId or None,
    )


def _whose(caller: Caller, user_id: str | None) -> str | None:
    if caller.may("audit"):
        return user_id
    if user_id is not None and user_id != caller.user_id:
        raise Forbidden("other people's audit needs the scope audit")
    return caller.user_id


def shown_line(entry: AuditEntry) -> AuditLine:
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


async def life(parts: Parts, asked: Asked) -> Answer:
    """A share, link or correction as it stands, and all that happened to it; one's own without the scope `audit`."""
    subject = path_id(asked, "recordId")
    wanted = AuditFilter(subject_id=subject, user_id=_whose(asked.signed, None))
    entries = await parts.reading.audit(wanted, limit=LIFE, after=None)
    if not entries:
        raise NotFound("nothing happened to this id, or not to one of yours")
    record, link = await parts.reading.record(subject), await parts.reading.link(subject)
    body = RecordLife(
        record=_record(record) if record else None,
        link=shown_link(parts, link) if link else None,
        entries=[shown_line(entry) for entry in reversed(entries)],
    )
    return json_answer(200, body)


def _record(record: ShareRecord) -> RecordBody:
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
