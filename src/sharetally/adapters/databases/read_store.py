"""Counts, status, links and audit, as they are read. Nothing here takes a lock.

What has to be exact at once is one statement: stored cells and the events that wait, summed together.
Two statements would see an event neither pending nor counted, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.audit_search import audit_rows
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.proof_store import Scope, any_of, bound_content, proof_cells
from sharetally.adapters.databases.statements import Row
from sharetally.adapters.databases.types import db_now
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import EPOCH, Count, to_count
from sharetally.domain.link import ShareLink
from sharetally.domain.share import ShareRecord
from sharetally.ports import AuditFilter, LinkFilter, LinkTarget, PlatformStatus

_PUBLIC_DIMENSIONS = ("evidence", "channel", "campaign")


def _stored_statement(scope: Scope) -> sa.Select[Any]:
    t, c = tables.share_totals, tables.share_counts
    joined = sa.and_(
        c.c.content_type == t.c.content_type, c.c.content_id == t.c.content_id, c.c.dimension.in_(_PUBLIC_DIMENSIONS)
    )
    columns = (*t.c, c.c.dimension, c.c.value, c.c.shares.label("cell"))
    return sa.select(*columns).select_from(t.outerjoin(c, joined)).where(scope(t))


def _consistent_statement(scope: Scope) -> sa.Select[Any]:
    t, e = tables.share_totals, tables.events
    found = proof_cells(scope, ledger=False).subquery()
    pending = sa.select(e.c.content_type, e.c.content_id, sa.func.max(e.c.at).label("at")).where(scope(e))
    last = pending.group_by(e.c.content_type, e.c.content_id).subquery()
    joined = found.outerjoin(t, _same_content(found, t)).outerjoin(last, _same_content(found, last))
    return sa.select(found, t.c.version, t.c.changed_at, last.c.at).select_from(joined)


def _same_content(left: Any, right: Any) -> Any:
    return sa.and_(left.c.content_type == right.c.content_type, left.c.content_id == right.c.content_id)


def _by_content(rows: Sequence[Row]) -> dict[ContentRef, list[Row]]:
    found: dict[ContentRef, list[Row]] = {}
    for row in rows:
        found.setdefault(mapping.content_of(row), []).append(row)
    return found


def _count_of_stored(content: ContentRef, rows: Sequence[Row]) -> Count:
    if not rows:
        return to_count(content, 0, (), 0, None)
    first = rows[0]
    stored_cells = [(row["dimension"], row["value"], row["cell"]) for row in rows if row["dimension"]]
    return to_count(content, first["shares"], stored_cells, first["version"], first["changed_at"])


def _count_of_consistent(content: ContentRef, rows: Sequence[Row]) -> Count:
    if not rows:
        return to_count(content, 0, (), 0, None)
    sums = [(row["dimension"], row["value"], int(row["counted"]) + int(row["pending"])) for row in rows]
    total = next((shares for dimension, _, shares in sums if dimension == "total"), 0)
    changed = [at for at in (rows[0]["changed_at"], rows[0]["at"]) if at is not None]
    return to_count(content, total, sums, rows[0]["version"] or 0, max(changed, default=None))


def _platform_status_statement() -> sa.CompoundSelect[Any]:
    c, e = tables.share_counts, tables.events
    stored_cells = sa.select(c.c.value.label("platform"), c.c.shares, c.c.last_at).where(
        bound_content(c), c.c.dimension == "platform"
    )
    shared = sa.func.max(sa.case((e.c.delta >= 0, e.c.at)))
    pending = sa.select(e.c.platform, sa.func.sum(e.c.delta), shared).where(bound_content(e), e.c.platform.is_not(None))
    return sa.union_all(stored_cells, pending.group_by(e.c.platform))


_STORED_OF_CONTENT = _stored_statement(bound_content)
_CONSISTENT_OF_CONTENT = _consistent_statement(bound_content)
_PLATFORM_STATUS = _platform_status_statement()
_RECORDS_OF_USER = sa.select(tables.share_records).where(
    bound_content(tables.share_records), tables.share_records.c.user_id == sa.bindparam("user_id", type_=sa.String())
)


class SqlReadStore:
    """The read side of the database. What is asked most is compiled once: one content's counts and status."""

    _engine: Engine

    async def _rows(self, statement: sa.SelectBase) -> list[Row]:
        async with self._engine.read_connection() as connection:
            return await connection.rows(statement)

    async def _rows_prepared(self, statement: sa.SelectBase, content: ContentRef, **more: str) -> list[Row]:
        async with self._engine.read_connection() as connection:
            return await connection.rows_prepared(
                statement, {"content_type": content.type, "content_id": content.id, **more}
            )

    async def _rows_for(
        self, contents: Sequence[ContentRef], prepared: sa.SelectBase, statement_of: Callable[[Scope], sa.SelectBase]
    ) -> list[Row]:
        if len(contents) == 1:
            return await self._rows_prepared(prepared, contents[0])
        return await self._rows(statement_of(any_of(list(contents))))

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        """The stored counts."""
        if not contents:
            return []
        found = _by_content(await self._rows_for(contents, _STORED_OF_CONTENT, _stored_statement))
        return [_count_of_stored(content, found.get(content, ())) for content in contents]

    async def consistent(self, contents: Sequence[ContentRef]) -> list[Count]:
        """Counts plus what waits."""
        if not contents:
            return []
        found = _by_content(await self._rows_for(contents, _CONSISTENT_OF_CONTENT, _consistent_statement))
        return [_count_of_consistent(content, found.get(content, ())) for content in contents]

    async def platform_status(self, content: ContentRef) -> Mapping[str, PlatformStatus]:
        """Live records by platform, what waits included."""
        found: dict[str, PlatformStatus] = {}
        for row in await self._rows_prepared(_PLATFORM_STATUS, content):
            earlier = found.get(row["platform"])
            shares = int(row["shares"]) + (earlier.shares if earlier else 0)
            times = [at for at in (row["last_at"], earlier.last_shared_at if earlier else None) if at and at > EPOCH]
            found[row["platform"]] = PlatformStatus(shares=shares, last_shared_at=max(times, default=None))
        return found

    async def user_records(self, content: ContentRef, user_id: str) -> Mapping[str, ShareRecord]:
        """One user's records of one content."""
        rows = await self._rows_prepared(_RECORDS_OF_USER, content, user_id=user_id)
        return {row["platform"]: mapping.record_of(row) for row in rows}

    async def record(self, record_id: UUID) -> ShareRecord | None:
        """One record."""
        rows = await self._rows(sa.select(tables.share_records).where(tables.share_records.c.id == record_id))
        return mapping.record_of(rows[0]) if rows else None

    async def link(self, link_id: UUID) -> ShareLink | None:
        """One link."""
        rows = await self._rows(sa.select(tables.share_links).where(tables.share_links.c.id == link_id))
        return mapping.link_of(rows[0]) if rows else None

    async def links_by_code(self, codes: Sequence[str]) -> Mapping[str, LinkTarget | None]:
        """Where they lead; the clock is only asked where one of them ever expires."""
        async with self._engine.read_connection() as connection:
            rows = await connection.select(
                tables.share_links, ("code",), [(code,) for code in codes], columns=_REDIRECT_COLUMNS
            )
            any_expires = any(row["expires_at"] for row in rows)
            now: datetime | None = (await connection.rows_prepared(_NOW, {}))[0]["now"] if any_expires else None
        found = {
            row["code"]: LinkTarget(row["url"], _expired(row["expires_at"], now), row["deleted_at"] is not None)
            for row in rows
        }
        return {code: found.get(code) for code in codes}

    async def links(self, criteria: LinkFilter, *, limit: int, after: UUID | None) -> list[ShareLink]:
        """Live links, newest first."""
        k = tables.share_links
        values = (
            (k.c.content_type, criteria.content_type),
            (k.c.content_id, criteria.content_id),
            (k.c.user_id, criteria.user_id),
            (k.c.campaign, criteria.campaign),
        )
        statement = sa.select(k).where(k.c.deleted_at.is_(None), *_equal_conditions(values))
        rows = await self._rows(_page(statement, k, limit, after))
        return [mapping.link_of(row) for row in rows]

    async def audit(self, criteria: AuditFilter, *, limit: int, after: UUID | None) -> list[AuditEntry]:
        """Lines of the audit, newest first."""
        async with self._engine.read_connection() as connection:
            rows = await audit_rows(connection, criteria, limit=limit, after=after)
        return [mapping.audit_of(row) for row in rows]


_NOW = sa.select(db_now().label("now"))
_REDIRECT_COLUMNS = ("code", "url", "expires_at", "deleted_at")


def _expired(end: datetime | None, now: datetime | None) -> bool:
    return end is not None and now is not None and end <= now


def _equal_conditions(values: tuple[tuple[Any, str | None], ...]) -> list[Any]:
    return [column == value for column, value in values if value is not None]


def _page(statement: sa.Select[Any], table: sa.Table, limit: int, after: UUID | None) -> sa.Select[Any]:
    if after is not None:
        statement = statement.where(table.c.id < after)
    return statement.order_by(table.c.id.desc()).limit(limit)
