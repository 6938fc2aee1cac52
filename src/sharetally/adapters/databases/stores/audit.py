"""The audit trail as it is searched: newest first, by any combination of filters.

Every index ends in the id, and ids rise with time, so a page is the end of an index range: that of one content item,
one user, one request or one record. A filter on platform, action or status selects several ranges of one index, one per
pair of platform and action, of which there are few; the newest entries of all ranges together are the page.

A branch is one such range: the values that the first columns of an index have in it. Databases assume that columns are
independent, so for a combination that no entry has they would rather read the whole table backwards. Therefore each
statement is written so that it must use the index of its branch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.distinct_values import distinct_values
from sharetally.domain.account import AccountAction
from sharetally.domain.audit import AuditEntry
from sharetally.domain.ids import earliest_id
from sharetally.domain.share import ACTIONS_OF_RECORDS
from sharetally.ports import AuditFilter, AuditStore

MAX_CLOCK_SKEW = timedelta(days=2)  # an id has its host's time, an entry the database's
MAX_BRANCHES = 200
FEW_LINES = 2_000  # entries
_A = tables.share_audit
_FILTER_COLUMNS = ("content_type", "content_id", "platform", "user_id", "status", "action", "request_id")
_LOWEST_ID, _HIGHEST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)
_INDEX_NAMES = {
    ("platform", "action"): "ix_share_audit_kind",
    ("content_type", "content_id"): "ix_share_audit_content",
    ("user_id",): "ix_share_audit_user",
}
Branch = Mapping[str, str | None]  # values of the first columns of one index, in its order


class SqlAuditStore(AuditStore):
    """Reads `share_audit`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def page(self, criteria: AuditFilter, *, limit: int, after: UUID | None) -> list[AuditEntry]:
        """Read the newest entries of each branch, and of those the newest; a time becomes a range of ids."""
        low, high = _LOWEST_ID, after or _HIGHEST_ID
        if criteria.start is not None:
            low = earliest_id(criteria.start - MAX_CLOCK_SKEW)
        if criteria.end is not None:
            high = min(high, earliest_id(criteria.end + MAX_CLOCK_SKEW))
        async with self._engine.read_connection() as connection:
            branches = await _branches(connection, criteria)
            selects = [branch_statement(connection, criteria, branch, (low, high), limit) for branch in branches]
            rows: Sequence[Row] = []
            if len(selects) == 1:
                rows = await connection.rows(selects[0])
            elif selects:
                found = sa.union_all(*(sa.select(each.subquery()) for each in selects)).subquery()
                rows = await connection.rows(sa.select(found).order_by(found.c.id.desc()).limit(limit))
        names = [name for name in AuditEntry._fields if name != "content"]
        return [AuditEntry(content=mapping.content_of(row), **{name: row[name] for name in names}) for row in rows]


def branch_statement(
    connection: Connection, criteria: AuditFilter, branch: Branch, id_range: tuple[UUID, UUID], limit: int
) -> sa.Select[Any]:
    """The newest entries of one branch with ids from the first of `id_range`, up to but without the second."""
    low, high = id_range
    statement = sa.select(_A).limit(limit)
    if low > _LOWEST_ID:
        statement = statement.where(_A.c.id >= low)
    if high < _HIGHEST_ID:
        statement = statement.where(_A.c.id < high)
    covered = {*branch, "status"} if "action" in branch else set(branch)  # an action implies the status
    filters = {name: getattr(criteria, name) for name in (*_FILTER_COLUMNS, "subject_id") if name not in covered}
    remaining: list[Any] = [_A.c[name] == value for name, value in filters.items() if value is not None]
    if criteria.start is not None:
        remaining.append(_A.c.at >= criteria.start)
    if criteria.end is not None:
        remaining.append(_A.c.at < criteria.end)
    if branch and connection.dialect.sa_dialect.name == "postgresql":
        if remaining:  # CASE hides from the planner how rare the entries are
            statement = statement.where(sa.case((sa.and_(*remaining), sa.true()), else_=sa.false()))
        # Ordered as only the branch's index is. With `=`, PostgreSQL would treat the column as a constant, and the
        # primary key would have the same order; LIKE without wildcards and IS NULL limit the range without that.
        for name, value in branch.items():
            column = _A.c[name]
            pattern = None if value is None else re.sub(r"([\\%_])", r"\\\1", value)
            statement = statement.where(column.is_(None) if pattern is None else column.like(pattern))
            statement = statement.order_by(column.desc())
        return statement.order_by(_A.c.id.desc())
    if branch:
        index = f"FORCE INDEX ({_INDEX_NAMES[tuple(branch)]})"
        statement = statement.with_hint(_A, index, "mysql").with_hint(_A, index, "mariadb")
        equal = [_A.c[name].is_(None) if value is None else _A.c[name] == value for name, value in branch.items()]
        statement = statement.where(*equal)
    return statement.where(*remaining).order_by(_A.c.id.desc())


async def _branches(connection: Connection, criteria: AuditFilter) -> Sequence[Branch]:
    """The branches to read. [{}] reads the table without a branch, and [] finds nothing."""
    if criteria.request_id is not None or criteria.subject_id is not None:
        return [{}]  # so few entries that any database uses the index by itself
    content_or_user: Sequence[Branch] | None = None
    if criteria.content_id is not None:
        types = [criteria.content_type] if criteria.content_type else None
        types = types or await distinct_values(connection, _A.c.content_type, at_most=MAX_BRANCHES)
        content_or_user = [{"content_type": kind, "content_id": criteria.content_id} for kind in types]
    if criteria.user_id is not None and (
        content_or_user is None or not await _has_few_lines(connection, content_or_user)
    ):
        content_or_user = [{"user_id": criteria.user_id}]
    found: Sequence[Branch] = [{}] if content_or_user is None else content_or_user
    if any((criteria.platform, criteria.action, criteria.status)):
        by_action = await _action_branches(connection, criteria)
        found = by_action if content_or_user is None or await _has_few_lines(connection, by_action) else content_or_user
    return found if len(found) <= MAX_BRANCHES else [{}]


async def _action_branches(connection: Connection, criteria: AuditFilter) -> list[Branch]:
    """A branch for each platform and action that the filter admits; a status stands for the actions that lead to it.

    Actions on accounts have a platform, and no status.
    """
    actions = [
        action.value
        for action, resulting_status in ACTIONS_OF_RECORDS.items()
        if criteria.status in (None, resulting_status.value)
    ]
    if criteria.status is None:
        actions += [action.value for action in AccountAction]
    if criteria.action is not None:
        actions = [criteria.action] if criteria.status is None or criteria.action in actions else []
    platforms: list[str | None] = [criteria.platform] if criteria.platform is not None else [
        *await distinct_values(connection, _A.c.platform, at_most=MAX_BRANCHES),
        *([None] if criteria.status is None else []),  # entries about links and corrections have no platform
    ]  # fmt: skip
    return [{"platform": platform, "action": action} for platform in platforms for action in actions]


async def _has_few_lines(connection: Connection, branches: Sequence[Branch]) -> bool:
    """Whether these branches have so few entries that reading them is cheaper than any other branch."""
    if not branches or len(branches) > MAX_BRANCHES:
        return not branches
    no_filter, all_ids = AuditFilter(), (_LOWEST_ID, _HIGHEST_ID)
    lines = (
        branch_statement(connection, no_filter, branch, all_ids, FEW_LINES).with_only_columns(_A.c.id)
        for branch in branches
    )
    subqueries = (each.subquery() for each in lines)
    limited = sa.union_all(*(sa.select(part) for part in subqueries)).limit(FEW_LINES).subquery()
    return int((await connection.rows(sa.select(sa.func.count().label("n")).select_from(limited)))[0]["n"]) < FEW_LINES
