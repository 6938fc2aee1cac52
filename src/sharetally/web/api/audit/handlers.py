"""Handlers of the audit: who did what, and the history of one share, link or correction."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, NotFound
from sharetally.domain.share import ShareRecord
from sharetally.flow.platforms import Platforms
from sharetally.flow.urls import UrlPolicy
from sharetally.ports import AuditFilter, AuditStore, Clock, LinkStore, ShareStore
from sharetally.web.api.audit.schemas import (
    AuditFilterQuery,
    AuditLine,
    AuditLines,
    AuditQuery,
    RecordBody,
    RecordHistory,
    RecordPath,
)
from sharetally.web.api.links.handlers import link_body
from sharetally.web.decoding import to_utc
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request
from sharetally.web.fields import ErrorBody
from sharetally.web.paging import split_page, starting_after
from sharetally.web.parameters import parse_path_id
from sharetally.web.responses import Response, json_response

MAX_HISTORY = 1_000  # lines of one record that are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditReader:
    """Reads the audit."""

    store: AuditStore
    shares: ShareStore
    links: LinkStore
    platforms: Platforms
    urls: UrlPolicy
    clock: Clock


async def audit(reader: AuditReader, request: Request[NoPath, AuditQuery, NoBody]) -> Response:
    """Who did what: everything with the scope `audit`, otherwise only the caller's own lines."""
    query = request.query
    criteria = audit_filter(reader, request.caller, query)
    entries = await reader.store.page(criteria, limit=query.pageSize + 1, after=starting_after(query))
    items, following = split_page(entries, query.pageSize)
    return json_response(200, AuditLines(items=[audit_line_body(entry) for entry in items], next=following))


def audit_filter(reader: AuditReader, caller: Caller, query: AuditFilterQuery) -> AuditFilter:
    """The query as a filter, restricted to what the caller may see."""
    return AuditFilter(
        content_type=query.contentType or None,
        content_id=query.contentId or None,
        platform=reader.platforms.canonical(query.platform) if query.platform is not UNSET else None,
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


async def history(reader: AuditReader, request: Request[RecordPath, NoQuery, NoBody]) -> Response:
    """A share, link or correction with its history; without the scope `audit` only the caller's own."""
    subject = parse_path_id(request.path.record_id)
    criteria = AuditFilter(subject_id=subject, user_id=_visible_user(request.caller, None))
    entries = await reader.store.page(criteria, limit=MAX_HISTORY, after=None)
    if not entries:
        raise NotFound("nothing happened to this id, or not to one of yours")
    record, link = await reader.shares.by_id(subject), await reader.links.by_id(subject)
    body = RecordHistory(
        record=_record_body(record) if record else None,
        link=link_body(link, reader.urls, request.root_path) if link else None,
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
