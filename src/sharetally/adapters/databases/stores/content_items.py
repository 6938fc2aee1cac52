"""Content items as people search for them: by the beginning of an id, or by the words of a title.

The words of a title are stored separately, so that a word, or the beginning of one, is a range of an index. A content
item that has a count is known even if nobody described it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.counting import CONTENT_KEY
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.content_scopes import only_content
from sharetally.adapters.databases.stores.distinct_values import distinct_values
from sharetally.adapters.databases.types import db_now
from sharetally.domain.content import ContentRef
from sharetally.domain.content_details import ContentDetails, title_words
from sharetally.ports import ContentItemStore

_DETAILS, _WORDS, _TOTALS = tables.content_details, tables.content_words, tables.share_totals
_AFTER_PREFIX = "\U0010ffff"  # sorts after everything with the same beginning
_NOW = sa.select(db_now().label("now"))
_DETAIL_SETS = {name: f"{{{name}}}" for name in ("title", "image", "url", "updated_at")}


class SqlContentItemStore(ContentItemStore):
    """Reads and writes `content_details` and `content_words`; also reads `share_totals`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def describe(self, details: ContentDetails) -> ContentDetails:
        """Replace the details and the words of the title."""
        content = details.content
        key = {"content_type": content.type, "content_id": content.id}
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            values = {"title": details.title, "image": details.image, "url": details.url, "updated_at": now}
            await connection.upsert(connection.batch(_DETAILS, [{**key, **values}]), _DETAIL_SETS)
            await connection.run(_WORDS.delete().where(only_content(content)(_WORDS)))
            words = [{"word": word, **key} for word in sorted(title_words(details.title or ""))]
            await connection.insert(connection.batch(_WORDS, words))
        return (await self.details([content]))[0]

    async def details(self, contents: Sequence[ContentRef]) -> list[ContentDetails]:
        """Read details and totals by primary key."""
        async with self._engine.read_connection() as connection:
            return await details_of(connection, contents)

    async def search(
        self, *, id_prefix: str, words: Sequence[str], content_type: str | None, limit: int, after: ContentRef | None
    ) -> list[ContentDetails]:
        """Search each type by id, and the words of all types; the first page of the union is the result."""
        async with self._engine.read_connection() as connection:
            searches: list[sa.Select[Any]] = []
            for table in (_DETAILS, _TOTALS):
                type_column, content_id = table.c.content_type, table.c.content_id
                types = [content_type] if content_type is not None else await distinct_values(connection, type_column)
                for type_name in types:
                    page = sa.select(type_column, content_id).where(type_column == type_name)
                    page = page.where(content_id >= id_prefix, content_id < id_prefix + _AFTER_PREFIX)
                    if after is not None and type_name == after.type:
                        page = page.where(content_id > after.id)
                    if after is None or type_name >= after.type:
                        searches.append(page.order_by(content_id).limit(limit))
            if words:
                searches.append(_select_by_words(words, content_type, after, limit))
            if not searches:
                return []
            matches = sa.union(*(sa.select(search.subquery()) for search in searches)).subquery()
            order = (matches.c.content_type, matches.c.content_id)
            rows = await connection.rows(sa.select(*order).order_by(*order).limit(limit))
            return await details_of(connection, [mapping.content_of(row) for row in rows])


async def details_of(connection: Connection, contents: Sequence[ContentRef]) -> list[ContentDetails]:
    """The details of these content items, in their order."""
    keys = {(ref.type, ref.id) for ref in contents}
    values = {mapping.content_of(row): row for row in await connection.select(_DETAILS, CONTENT_KEY, keys)}
    totals = {mapping.content_of(row): row for row in await connection.select(_TOTALS, CONTENT_KEY, keys)}
    names = ("title", "image", "url", "updated_at")
    found: list[ContentDetails] = []
    for ref in contents:
        total, row = totals.get(ref), values.get(ref)
        shares = max(0, total["shares"]) if total is not None else 0
        described = {name: row[name] for name in names} if row is not None else {}
        found.append(ContentDetails(content=ref, shares=shares, **described))
    return found


def _select_by_words(
    words: Sequence[str], type_name: str | None, after: ContentRef | None, limit: int
) -> sa.Select[Any]:
    """The page of titles that contain all words, led by the longest word, which is likely the rarest."""
    longest, *other_words = sorted(words, key=len, reverse=True)
    keys = (_WORDS.c.content_type, _WORDS.c.content_id)
    conditions = _word_prefix(_WORDS, longest)
    for word in other_words:
        w = _WORDS.alias()
        same_content = sa.and_(w.c.content_type == _WORDS.c.content_type, w.c.content_id == _WORDS.c.content_id)
        conditions.append(sa.exists().where(same_content, *_word_prefix(w, word)).correlate(_WORDS))
    if type_name is not None:
        conditions.append(_WORDS.c.content_type == type_name)
    if after is not None:
        same_type = sa.and_(_WORDS.c.content_type == after.type, _WORDS.c.content_id > after.id)
        conditions.append(sa.or_(_WORDS.c.content_type > after.type, same_type))
    return sa.select(*keys).where(*conditions).distinct().order_by(*keys).limit(limit)


def _word_prefix(table: Any, word: str) -> list[Any]:
    return [table.c.word >= word, table.c.word < word + _AFTER_PREFIX]
