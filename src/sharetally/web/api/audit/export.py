"""Lines of the audit as a file: read page by page and sent at once, so that ten million lines need no more memory.

In CSV, a `'` precedes whatever a spreadsheet would take for a formula (OWASP, CSV Injection). That includes places in
the middle of a cell after `;`, which some programs read as the end of a cell where people write a decimal comma. JSON
lines are unchanged. If the database fails in the middle, the response breaks off without its proper end.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from starlette.types import Receive

from sharetally.domain.audit import AuditEntry
from sharetally.ports import AuditFilter, AuditStore
from sharetally.web.api.audit.handlers import AuditReader, audit_filter, audit_line_body
from sharetally.web.api.audit.schemas import ExportQuery
from sharetally.web.endpoint import NoBody, NoPath, Request
from sharetally.web.responses import StreamingResponse, WriteChunk

PAGE_SIZE = 1_000  # lines read at once
FORMULA_START = re.compile(r"^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")  # where one would begin
COLUMNS = (
    *("id", "at", "userId", "actor", "action", "platform", "contentType", "contentId"),
    *("status", "errorCode", "errorMessage", "requestId", "recordId"),
)
_lines = msgspec.json.Encoder().encode_lines
EncodePage = Callable[[Sequence[AuditEntry]], bytes]


async def export(reader: AuditReader, request: Request[NoPath, ExportQuery, NoBody]) -> StreamingResponse:
    """All lines that the filter lets through, newest first."""
    as_csv = request.query.format == "csv"
    criteria = audit_filter(reader, request.caller, request.query)
    first = await _read_page(reader.store, criteria, None)  # an error is reported while there is a status to send
    file = _Export(reader.store, criteria, first, encode_page=_encode_csv if as_csv else _encode_json_lines)
    media = "text/csv; charset=utf-8; header=present" if as_csv else "application/x-ndjson"
    name = f"audit-{reader.clock.now():%Y%m%dT%H%M%SZ}.{request.query.format}"
    headers = (
        ("content-type", media),
        ("content-disposition", f'attachment; filename="{name}"'),
        ("cache-control", "no-store"),
    )
    return StreamingResponse(status=200, headers=headers, write=file.write)


class _Export:
    """One export; the first page is read already."""

    def __init__(
        self, store: AuditStore, criteria: AuditFilter, first: Sequence[AuditEntry], *, encode_page: EncodePage
    ) -> None:
        self._store = store
        self._filter = criteria
        self._read_page = first
        self._encode_page = encode_page

    async def write(self, receive: Receive, send: WriteChunk) -> None:
        """Until the last line, or until the client leaves."""
        client_left = asyncio.create_task(_client_left(receive))
        try:
            if self._encode_page is _encode_csv:
                await send(_csv_rows([COLUMNS]))
            while self._read_page and not client_left.done():
                await send(self._encode_page(self._read_page))
                is_full_page = len(self._read_page) == PAGE_SIZE
                self._read_page = (
                    await _read_page(self._store, self._filter, self._read_page[-1].id) if is_full_page else []
                )
        finally:
            client_left.cancel()


async def _read_page(store: AuditStore, criteria: AuditFilter, after: UUID | None) -> Sequence[AuditEntry]:
    return await store.page(criteria, limit=PAGE_SIZE, after=after)


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _encode_json_lines(entries: Sequence[AuditEntry]) -> bytes:
    return _lines([audit_line_body(entry) for entry in entries])


def _encode_csv(entries: Sequence[AuditEntry]) -> bytes:
    rows: list[tuple[object, ...]] = [
        (
            *(entry.id, entry.at.isoformat().replace("+00:00", "Z"), entry.user_id, entry.actor, entry.action),
            *(entry.platform, entry.content.type, entry.content.id, entry.status, entry.error_code),
            *(entry.error_message, entry.request_id, entry.subject_id),
        )
        for entry in entries
    ]
    return _csv_rows([[_csv_cell(value) for value in row] for row in rows])


def _csv_rows(rows: Sequence[Sequence[str]]) -> bytes:
    """RFC 4180: commas, quotes where needed, CRLF."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _csv_cell(value: object) -> str:
    text = "" if value is None else str(value)
    return FORMULA_START.sub("'", text)
