"""Contents as people look for them: by the begin of an id, or by the words of a title.

A title is kept beside its words, so that a word, or the begin of one, is a range of an index. Whatever has a
count is known too, title or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.counting import CONTENT_KEY
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.proving import one
from sharetally.adapters.databases.types import db_now
from sharetally.domain.content import ContentRef
from sharetally.domain.details import ContentDetails, words_of

_D, _W, _T = tables.content_details, tables.content_words, tables.share_totals
_LAST = "\U0010ffff"  # after everything that begins the same
_NOW = sa.select(db_now().label("now"))
_TOLD = {name: f"{{{name}}}" for name in ("title", "image", "url", "updated_at")}


class SqlContents:
    """Contents with what is told of them."""

    _engine: Engine

    async def describe(self, details: ContentDetails) -> ContentDetails:
        """Keep it, and the words of its title."""
        content = details.content
        key = {"content_type": content.type, "content_id": content.id}
        async with self._engine.writing() as connection:
            now = (await connection.kept(_NOW, {}))[0]["now"]
            told = {"title": details.title, "image": details.image, "url": details.url, "updated_at": now}
            await connection.upsert(_D, [{**key, **told}], _TOLD)
            await connection.run(_W.delete().where(one(content)(_W)))
            words = [{"word": word, **key} for word in sorted(words_of(details.title or ""))]
            await connection.insert((_W, words))
        return (await self.details([content]))[0]

    async def details(self, contents: Sequence[ContentRef]) -> list[ContentDetails]:
        """In the order asked."""
        async with self._engine.reading() as connection:
            return await details_of(connection, contents)

    async def contents(
        self, *, begin: str, words: Sequence[str], content_type: str | None, limit: int, after: ContentRef | None
    ) -> list[ContentDetails]:
        """By id or title."""
        async with self._engine.reading() as connection:
            kinds = [content_type] if content_type is not None else await _kinds(connection)
            kinds = [kind for kind in kinds if after is None or kind >= after.type]
            ways = [_by_id(table, kind, begin, after, limit) for table in (_D, _T) for kind in kinds]
            if words:
                ways.append(_by_words(words, content_type, after, limit))
            if not ways:
                return []
            found = sa.union(*(sa.select(way.subquery()) for way in ways)).subquery()
            order = (found.c.content_type, found.c.content_id)
            rows = await connection.rows(sa.select(*order).order_by(*order).limit(limit))
            return await details_of(connection, [mapping.content_of(row) for row in rows])


async def details_of(connection: Connection, contents: Sequence[ContentRef]) -> list[ContentDetails]:
    """What is known of these contents, in their order."""
    keys = {(ref.type, ref.id) for ref in contents}
    told = {mapping.content_of(row): row for row in await connection.select(_D, CONTENT_KEY, keys)}
    totals = {mapping.content_of(row): row for row in await connection.select(_T, CONTENT_KEY, keys)}
    return [_details(ref, told.get(ref), totals.get(ref)) for ref in contents]


def _details(content: ContentRef, told: Any, total: Any) -> ContentDetails:
    shares = max(0, total["shares"]) if total is not None else 0
    if told is None:
        return ContentDetails(content=content, shares=shares)
    names = ("title", "image", "url", "updated_at")
    return ContentDetails(content=content, shares=shares, **{name: told[name] for name in names})


async def _kinds(connection: Connection) -> list[str]:
    """Every content type that there is, found from one to the next: there are few of them and many contents."""
    kinds = set[str]()
    for table in (_D, _T):
        kind, last = table.c.content_type, ""
        while rows := await connection.rows(sa.select(kind).where(kind > last).order_by(kind).limit(1)):
            last = rows[0]["content_type"]
            kinds.add(last)
    return sorted(kinds)


def _by_id(table: sa.Table, kind: str, begin: str, after: ContentRef | None, limit: int) -> sa.Select[Any]:
    """The page of one type."""
    name = table.c.content_id
    where = [table.c.content_type == kind, name >= begin, name < begin + _LAST]
    if after is not None and kind == after.type:
        where.append(name > after.id)
    return sa.select(table.c.content_type, name).where(*where).order_by(name).limit(limit)


def _by_words(words: Sequence[str], kind: str | None, after: ContentRef | None, limit: int) -> sa.Select[Any]:
    """The longest word is looked up first; it is likely the rarest."""
    first, *others = sorted(words, key=len, reverse=True)
    keys = (_W.c.content_type, _W.c.content_id)
    where = [*_begins(_W, first), *(_has(word) for word in others)]
    if kind is not None:
        where.append(_W.c.content_type == kind)
    if after is not None:
        same = sa.and_(_W.c.content_type == after.type, _W.c.content_id > after.id)
        where.append(sa.or_(_W.c.content_type > after.type, same))
    return sa.select(*keys).where(*where).distinct().order_by(*keys).limit(limit)


def _begins(table: Any, word: str) -> list[Any]:
    return [table.c.word >= word, table.c.word < word + _LAST]


def _has(word: str) -> Any:
    other = _W.alias()
    same = sa.and_(other.c.content_type == _W.c.content_type, other.c.content_id == _W.c.content_id)
    return sa.exists().where(same, *_begins(other, word)).correlate(_W)
