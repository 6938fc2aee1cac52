"""Scopes: conditions that limit a statement to one content item, to several, to a range of them, or to none of these.

A scope is a function from a table with the columns `content_type` and `content_id` to a condition, so one statement
over many tables is limited in the same way everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases.types import row_in
from sharetally.domain.content import ContentRef

Scope = Callable[[Any], Any]


def only_content(content: ContentRef) -> Scope:
    """Only this content item."""
    return lambda table: sa.and_(table.c.content_type == content.type, table.c.content_id == content.id)


def bound_content(table: Any) -> Any:
    """Only the content item that the parameters `content_type` and `content_id` name: for statements compiled once."""
    names = sa.bindparam("content_type", type_=sa.String()), sa.bindparam("content_id", type_=sa.String())
    return sa.and_(table.c.content_type == names[0], table.c.content_id == names[1])


def any_of(contents: list[ContentRef]) -> Scope:
    """Only these content items, as one list: a condition for each would take ten times as long to compile."""
    pairs = [(content.type, content.id) for content in contents]
    return lambda table: row_in((table.c.content_type, table.c.content_id), pairs)


def all_contents(table: Any) -> Any:
    """All content items."""
    return sa.true()


def content_range(low: ContentRef | None, high: ContentRef | None) -> Scope:
    """Content items after `low`, up to and including `high`, in sorted order; None leaves that side open."""

    def condition(table: Any) -> Any:
        kind, name = table.c.content_type, table.c.content_id
        after = sa.or_(kind > low.type, sa.and_(kind == low.type, name > low.id)) if low else sa.true()
        up_to = sa.or_(kind < high.type, sa.and_(kind == high.type, name <= high.id)) if high else sa.true()
        return sa.and_(after, up_to)

    return condition
