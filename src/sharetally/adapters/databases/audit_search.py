"""The audit as it is searched: newest first, by any filter.

Each index ends in the id, which tells the time, so a page is the end of a range: of one content, one person, one
request, one record. What many lines have in common (platform, action, status) is cut into kinds, a platform and an
action each: there are few of them, each is a range too, and the newest of all together are the page.

A branch is what a part of the lines have in common and an index begins with. The database is held to that index:
each of them takes columns for independent, and would look through the whole table for lines that are not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.domain.ids import earliest_id
from sharetally.domain.share import ACTIONS_OF_RECORDS
from sharetally.ports import AuditFilter

MAX_CLOCK_SKEW = timedelta(days=2)  # an id tells its host's time, a line the database's
MAX_BRANCHES = 200
FEW_LINES = 2_000  # lines
_A = tables.share_audit
_FILTER_COLUMNS = ("content_type", "content_id", "platform", "user_id", "status", "action", "request_id")
_LOWEST_ID, _HIGHEST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)
_INDEX_NAMES = {
    ("platform", "action"): "ix_share_audit_kind",
    ("content_type", "content_id"): "ix_share_audit_content",
    ("user_id",): "ix_share_audit_user",
}
Branch = Mapping[str, str | None]  # the columns of one index, in its order


async def audit_rows(connection: Connection, criteria: AuditFilter, *, limit: int, after: UUID | None) -> list[Any]:
    """The newest lines that the filter lets through, before `after`."""
    id_range = _id_range(criteria, after)
    branches = await _branches(connection, criteria)
    statements = [branch_statement(connection, criteria, branch, id_range, limit) for branch in branches]
    if len(statements) < 2:
        return await connection.rows(statements[0]) if statements else []
    found = sa.union_all(*(sa.select(part.subquery()) for part in statements)).subquery()
    return await connection.rows(sa.select(found).order_by(found.c.id.desc()).limit(limit))


def _id_range(criteria: AuditFilter, after: UUID | None) -> tuple[UUID, UUID]:
    """A time is a range of ids too, with room for clocks that differ; the first is included, the last is not."""
    low, high = _LOWEST_ID, after or _HIGHEST_ID
    if criteria.start is not None:
        low = earliest_id(criteria.start - MAX_CLOCK_SKEW)
    if criteria.end is not None:
        high = min(high, earliest_id(criteria.end + MAX_CLOCK_SKEW))
    return low, high


def branch_statement(
    connection: Connection, criteria: AuditFilter, branch: Branch, id_range: tuple[UUID, UUID], limit: int
) -> sa.Select[Any]:
    """The newest lines of one branch."""
    statement = sa.select(_A).where(*_id_conditions(id_range)).limit(limit)
    if branch and connection.dialect.sa_dialect.name == "postgresql":
        return _ordered_by_index(
            branch, statement.where(*_hidden_from_planner(_remaining_conditions(criteria, branch)))
        )
    if branch:
        index = f"FORCE INDEX ({_INDEX_NAMES[tuple(branch)]})"
        statement = statement.with_hint(_A, index, "mysql").with_hint(_A, index, "mariadb")
    return statement.where(*_branch_conditions(branch), *_remaining_conditions(criteria, branch)).order_by(
        _A.c.id.desc()
    )


def _remaining_conditions(criteria: AuditFilter, branch: Branch) -> list[Any]:
    """What the filter says beside the branch; the status is what the action says."""
    covered = {*branch, "status"} if "action" in branch else set(branch)
    filters = {name: getattr(criteria, name) for name in (*_FILTER_COLUMNS, "subject_id") if name not in covered}
    found = [_A.c[name] == value for name, value in filters.items() if value is not None]
    found += [_A.c.at >= criteria.start] if criteria.start is not None else []
    return found + ([_A.c.at < criteria.end] if criteria.end is not None else [])


def _id_conditions(id_range: tuple[UUID, UUID]) -> list[Any]:
    low, high = id_range
    return ([_A.c.id >= low] if low > _LOWEST_ID else []) + ([_A.c.id < high] if high < _HIGHEST_ID else [])


def _ordered_by_index(branch: Branch, statement: sa.Select[Any]) -> sa.Select[Any]:
    """For PostgreSQL, in an order that only the branch's index has.

    An equality would make its column constant, and then the primary key has the order too. LIKE does not, nor does
    IS NULL, and both bound the index as an equality does.
    """
    for name, value in branch.items():
        column = _A.c[name]
        statement = statement.where(column.is_(None) if value is None else column.like(_like_pattern(value)))
        statement = statement.order_by(column.desc())
    return statement.order_by(_A.c.id.desc())


def _like_pattern(value: str) -> str:
    """What is like nothing else."""
    return re.sub(r"([\\%_])", r"\\\1", value)


def _hidden_from_planner(conditions: Sequence[Any]) -> list[Any]:
    """PostgreSQL does not see how rare it is."""
    return [sa.case((sa.and_(*conditions), sa.true()), else_=sa.false())] if conditions else []


async def _branches(connection: Connection, criteria: AuditFilter) -> Sequence[Branch]:
    """What to look through: nothing but what an index begins with; [{}] where one has all, or none has any of it."""
    if criteria.request_id is not None or criteria.subject_id is not None:
        return [{}]  # few lines
    content_or_user = await _content_or_user_branches(connection, criteria)
    found: Sequence[Branch] = [{}] if content_or_user is None else content_or_user
    if any((criteria.platform, criteria.action, criteria.status)):
        by_action = await _action_branches(connection, criteria)
        found = by_action if content_or_user is None or await _has_few_lines(connection, by_action) else content_or_user
    return found if len(found) <= MAX_BRANCHES else [{}]


async def _content_or_user_branches(connection: Connection, criteria: AuditFilter) -> Sequence[Branch] | None:
    """One content or one person, of both the one with few lines."""
    content_branches: Sequence[Branch] | None = None
    if criteria.content_id is not None:
        types = [criteria.content_type] if criteria.content_type else await _distinct_values(connection, "content_type")
        content_branches = [{"content_type": kind, "content_id": criteria.content_id} for kind in types]
    if criteria.user_id is None or (
        content_branches is not None and await _has_few_lines(connection, content_branches)
    ):
        return content_branches
    return [{"user_id": criteria.user_id}]


async def _action_branches(connection: Connection, criteria: AuditFilter) -> list[Branch]:
    actions = _actions_leaving(criteria.status)
    if criteria.action is not None:
        actions = [criteria.action] if criteria.status is None or criteria.action in actions else []
    platforms: list[str | None] = [criteria.platform] if criteria.platform is not None else [
        *await _distinct_values(connection, "platform"),
        *([None] if criteria.status is None else []),  # lines about links and corrections have neither
    ]  # fmt: skip
    return [{"platform": platform, "action": action} for platform in platforms for action in actions]


async def _has_few_lines(connection: Connection, branches: Sequence[Branch]) -> bool:
    """Whether these have so few lines that they are looked through sooner than another part may be."""
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


def _branch_conditions(branch: Branch) -> list[Any]:
    return [_A.c[name].is_(None) if value is None else _A.c[name] == value for name, value in branch.items()]


def _actions_leaving(status: str | None) -> list[str]:
    """What can leave a record with this status; without one, whatever happens to records."""
    return [
        action.value
        for action, resulting_status in ACTIONS_OF_RECORDS.items()
        if status in (None, resulting_status.value)
    ]


async def _distinct_values(connection: Connection, name: str) -> list[str]:
    """Every value of a column that begins an index, found from one to the next: there are few."""
    column, found = _A.c[name], [""]
    while len(found) <= MAX_BRANCHES and (
        rows := await connection.rows(sa.select(column).where(column > found[-1]).order_by(column).limit(1))
    ):
        found.append(rows[0][name])
    return found[1:]
