"""The audit as it is searched: newest first, by any filter.

Each index ends in the id, which tells the time, so a page is the end of a range: of one content, one person, one
request, one record. What many lines have in common (platform, action, status) is cut into kinds, a platform and an
action each: there are few of them, each is a range too, and the newest of all together are the page.
"""

from __future__ import annotations

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
_KIND = ("platform", "action")
_BY_KIND = "FORCE INDEX (ix_share_audit_kind)"  # MariaDB would rather read the whole table backwards
Branch = Mapping[str, str | None]  # columns that a part of the lines have in common


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
    if branch.get("platform") is not None and connection.flavor.dialect.name == "postgresql":
        return _in_order_of_kind(which, branch, ids).limit(limit)
    statement = sa.select(_A).where(*_residue(which, branch), *_between(ids)).limit(limit)
    if branch.get("platform") is not None:
        statement = statement.with_hint(_A, _BY_KIND, "mysql").with_hint(_A, _BY_KIND, "mariadb")
    return statement.where(*_common(branch)).order_by(_A.c.id.desc())


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


def _in_order_of_kind(which: AuditFilter, branch: Branch, ids: tuple[UUID, UUID]) -> sa.Select[Any]:
    """For PostgreSQL, which takes columns for independent, and would look through the whole table for few lines.

    It must see neither that platform and action are constant nor how rare is what else is wanted: then it goes
    through the one index that has this order.
    """
    columns = [_A.c[name] for name in (*_KIND, "id")]
    low, high = (
        sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(key, columns, strict=True)))
        for key in ((branch["platform"], branch["action"], each) for each in ids)
    )
    whole = sa.tuple_(*columns)
    residue = _residue(which, branch)
    veiled = [sa.case((sa.and_(*residue), sa.true()), else_=sa.false())] if residue else []
    statement = sa.select(_A).where(whole >= low, whole < high, *veiled)
    return statement.order_by(*(column.desc() for column in columns))


async def _branches(connection: Connection, which: AuditFilter) -> Sequence[Branch]:
    """What to look through: one branch where an index has all that it takes, else each kind or content type."""
    narrow = (which.content_id, which.user_id, which.request_id, which.subject_id)
    wide = (which.platform, which.action, which.status)
    found: list[Branch] = [{}]
    if which.content_id is not None and which.content_type is None and not any(narrow[1:]):
        found = [{"content_type": kind} for kind in await _values(connection, "content_type")]
    elif any(wide) and not any(narrow):
        found = await _kinds(connection, which)
    elif any(wide) and not (which.request_id or which.subject_id):
        kinds = await _kinds(connection, which)
        found = kinds if await _few(connection, kinds) else found
    return found if len(found) <= MAX_BRANCHES else [{}]


async def _kinds(connection: Connection, which: AuditFilter) -> list[Branch]:
    actions = _actions(which.status)
    if which.action is not None:
        actions = [which.action] if which.status is None or which.action in actions else []
    platforms: list[str | None] = [which.platform] if which.platform is not None else [
        *await _values(connection, "platform"),
        *([None] if which.status is None else []),  # lines about links and corrections have neither
    ]  # fmt: skip
    return [{"platform": platform, "action": action} for platform in platforms for action in actions]


async def _few(connection: Connection, kinds: Sequence[Branch]) -> bool:
    """Whether these kinds have so few lines that they are looked through sooner than a content or a person may be."""
    if not kinds or len(kinds) > MAX_BRANCHES:
        return not kinds
    anything, ever = AuditFilter(), (_FIRST, _LAST)
    lines = (part_of(connection, anything, kind, ever, FEW).with_only_columns(_A.c.id) for kind in kinds)
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
