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

CLOCKS_DIFFER = timedelta(days=2)  # an id tells its host's time, a line the database's
MAX_BRANCHES = 200
FEW = 2_000  # lines
_A = tables.share_audit
_FIELDS = ("content_type", "content_id", "platform", "user_id", "status", "action", "request_id")
_FIRST, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
_INDEXES = {
    ("platform", "action"): "ix_share_audit_kind",
    ("content_type", "content_id"): "ix_share_audit_content",
    ("user_id",): "ix_share_audit_user",
}
Branch = Mapping[str, str | None]  # the columns of one index, in its order


async def audit_rows(connection: Connection, which: AuditFilter, *, limit: int, after: UUID | None) -> list[Any]:
    """The newest lines that the filter lets through, before `after`."""
    ids = _ids(which, after)
    branches = await _branches(connection, which)
    parts = [part_of(connection, which, branch, ids, limit) for branch in branches]
    if len(parts) < 2:
        return await connection.rows(parts[0]) if parts else []
    found = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    return await connection.rows(sa.select(found).order_by(found.c.id.desc()).limit(limit))


def _ids(which: AuditFilter, after: UUID | None) -> tuple[UUID, UUID]:
    """A time is a range of ids too, with room for clocks that differ; the first is included, the last is not."""
    low, high = _FIRST, after or _LAST
    if which.start is not None:
        low = earliest_id(which.start - CLOCKS_DIFFER)
    if which.end is not None:
        high = min(high, earliest_id(which.end + CLOCKS_DIFFER))
    return low, high


def part_of(
    connection: Connection, which: AuditFilter, branch: Branch, ids: tuple[UUID, UUID], limit: int
) -> sa.Select[Any]:
    """The newest lines of one branch."""
    statement = sa.select(_A).where(*_between(ids)).limit(limit)
    if branch and connection.flavor.dialect.name == "postgresql":
        return _in_order_of(branch, statement.where(*_veiled(_residue(which, branch))))
    if branch:
        index = f"FORCE INDEX ({_INDEXES[tuple(branch)]})"
        statement = statement.with_hint(_A, index, "mysql").with_hint(_A, index, "mariadb")
    return statement.where(*_common(branch), *_residue(which, branch)).order_by(_A.c.id.desc())


def _residue(which: AuditFilter, branch: Branch) -> list[Any]:
    """What the filter says beside the branch; the status is what the action says."""
    told = {*branch, "status"} if "action" in branch else set(branch)
    wanted = {name: getattr(which, name) for name in (*_FIELDS, "subject_id") if name not in told}
    found = [_A.c[name] == value for name, value in wanted.items() if value is not None]
    found += [_A.c.at >= which.start] if which.start is not None else []
    return found + ([_A.c.at < which.end] if which.end is not None else [])


def _between(ids: tuple[UUID, UUID]) -> list[Any]:
    low, high = ids
    return ([_A.c.id >= low] if low > _FIRST else []) + ([_A.c.id < high] if high < _LAST else [])


def _in_order_of(branch: Branch, statement: sa.Select[Any]) -> sa.Select[Any]:
    """For PostgreSQL, in an order that only the branch's index has.

    An equality would make its column constant, and then the primary key has the order too. LIKE does not, nor does
    IS NULL, and both bound the index as an equality does.
    """
    for name, value in branch.items():
        column = _A.c[name]
        statement = statement.where(column.is_(None) if value is None else column.like(_pattern(value)))
        statement = statement.order_by(column.desc())
    return statement.order_by(_A.c.id.desc())


def _pattern(value: str) -> str:
    """What is like nothing else."""
    return re.sub(r"([\\%_])", r"\\\1", value)


def _veiled(residue: Sequence[Any]) -> list[Any]:
    """PostgreSQL does not see how rare it is."""
    return [sa.case((sa.and_(*residue), sa.true()), else_=sa.false())] if residue else []


async def _branches(connection: Connection, which: AuditFilter) -> Sequence[Branch]:
    """What to look through: nothing but what an index begins with; [{}] where one has all, or none has any of it."""
    if which.request_id is not None or which.subject_id is not None:
        return [{}]  # few lines
    narrow = await _narrow(connection, which)
    found: Sequence[Branch] = [{}] if narrow is None else narrow
    if any((which.platform, which.action, which.status)):
        kinds = await _kinds(connection, which)
        found = kinds if narrow is None or await _few(connection, kinds) else narrow
    return found if len(found) <= MAX_BRANCHES else [{}]


async def _narrow(connection: Connection, which: AuditFilter) -> Sequence[Branch] | None:
    """One content or one person, of both the one with few lines."""
    contents: Sequence[Branch] | None = None
    if which.content_id is not None:
        types = [which.content_type] if which.content_type else await _values(connection, "content_type")
        contents = [{"content_type": kind, "content_id": which.content_id} for kind in types]
    if which.user_id is None or (contents is not None and await _few(connection, contents)):
        return contents
    return [{"user_id": which.user_id}]


async def _kinds(connection: Connection, which: AuditFilter) -> list[Branch]:
    actions = _actions(which.status)
    if which.action is not None:
        actions = [which.action] if which.status is None or which.action in actions else []
    platforms: list[str | None] = [which.platform] if which.platform is not None else [
        *await _values(connection, "platform"),
        *([None] if which.status is None else []),  # lines about links and corrections have neither
    ]  # fmt: skip
    return [{"platform": platform, "action": action} for platform in platforms for action in actions]


async def _few(connection: Connection, branches: Sequence[Branch]) -> bool:
    """Whether these have so few lines that they are looked through sooner than another part may be."""
    if not branches or len(branches) > MAX_BRANCHES:
        return not branches
    anything, ever = AuditFilter(), (_FIRST, _LAST)
    lines = (part_of(connection, anything, branch, ever, FEW).with_only_columns(_A.c.id) for branch in branches)
    some = (each.subquery() for each in lines)
    every = sa.union_all(*(sa.select(part) for part in some)).limit(FEW).subquery()
    return int((await connection.rows(sa.select(sa.func.count().label("n")).select_from(every)))[0]["n"]) < FEW


def _common(branch: Branch) -> list[Any]:
    return [_A.c[name].is_(None) if value is None else _A.c[name] == value for name, value in branch.items()]


def _actions(status: str | None) -> list[str]:
    """What can leave a record with this status; without one, whatever happens to records."""
    return [action.value for action, then in ACTIONS_OF_RECORDS.items() if status in (None, then.value)]


async def _values(connection: Connection, name: str) -> list[str]:
    """Every value of a column that begins an index, found from one to the next: there are few."""
    column, found = _A.c[name], [""]
    while len(found) <= MAX_BRANCHES and (
        rows := await connection.rows(sa.select(column).where(column > found[-1]).order_by(column).limit(1))
    ):
        found.append(rows[0][name])
    return found[1:]
