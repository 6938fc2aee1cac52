"""Lines of the audit as a file: read page by page and sent as they come, so that ten million need no more memory.

What a spreadsheet would take for a formula has a `'` before it in CSV (OWASP, CSV Injection), also in the middle of a
cell, behind what some take for its end: where people write a decimal comma, that is `;`. JSON lines are as they are.
Where the database goes away in the middle, the answer breaks off without its proper end.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from starlette.types import Receive

from sharetally.domain.audit import AuditEntry
from sharetally.ports import AuditFilter, Reading
from sharetally.web.answers import Streamed, Write
from sharetally.web.endpoint import Asked
from sharetally.web.endpoints.audit import shown_line, which_lines
from sharetally.web.parts import Parts

PAGE = 1_000  # lines read at once
FORMULA = re.compile(r"^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")  # where one would begin
COLUMNS = (
    *("id", "at", "userId", "actor", "action", "platform", "contentType", "contentId"),
    *("status", "errorCode", "errorMessage", "requestId", "recordId"),
)
_lines = msgspec.json.Encoder().encode_lines
Form = Callable[[Sequence[AuditEntry]], bytes]


async def export(parts: Parts, asked: Asked) -> Streamed:
    """All lines that the filter lets through, newest first."""
    as_csv = asked.query.format == "csv"
    which = which_lines(parts, asked.signed, asked.query)
    first = await _page(parts.reading, which, None)  # what cannot be had is said while there is a status to say it with
    file = _File(parts.reading, which, first, written=_csv if as_csv else _json)
    media = "text/csv; charset=utf-8; header=present" if as_csv else "application/x-ndjson"
    name = f"audit-{parts.clock.now():%Y%m%dT%H%M%SZ}.{asked.query.format}"
    headers = (
        ("content-type", media),
        ("content-disposition", f'attachment; filename="{name}"'),
        ("cache-control", "no-store"),
    )
    return Streamed(status=200, headers=headers, write=file.write)


class _File:
    """One export; the first page is read already."""

    def __init__(self, reading: Reading, which: AuditFilter, first: Sequence[AuditEntry], *, written: Form) -> None:
        self._reading = reading
        self._which = which
        self._page = first
        self._written = written

    async def write(self, receive: Receive, send: Write) -> None:
        """Until the last line, or until the client leaves."""
        left = asyncio.create_task(_left(receive))
        try:
            if self._written is _csv:
                await send(_rows([COLUMNS]))
            while self._page and not left.done():
                await send(self._written(self._page))
                whole = len(self._page) == PAGE
                self._page = await _page(self._reading, self._which, self._page[-1].id) if whole else []
        finally:
            left.cancel()


async def _page(reading: Reading, which: AuditFilter, after: UUID | None) -> Sequence[AuditEntry]:
    return await reading.audit(which, limit=PAGE, after=after)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _json(entries: Sequence[AuditEntry]) -> bytes:
    return _lines([shown_line(entry) for entry in entries])


def _csv(entries: Sequence[AuditEntry]) -> bytes:
    return _rows([[_cell(value) for value in _values(entry)] for entry in entries])


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    """RFC 4180: commas, quotes where needed, CRLF."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _values(entry: AuditEntry) -> tuple[object, ...]:
    return (
        *(entry.id, _time(entry.at), entry.user_id, entry.actor, entry.action, entry.platform),
        *(entry.content.type, entry.content.id, entry.status, entry.error_code, entry.error_message),
        *(entry.request_id, entry.subject_id),
    )


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return FORMULA.sub("'", text)
