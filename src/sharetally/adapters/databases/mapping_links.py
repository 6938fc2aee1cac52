"""Links to rows and back."""

from __future__ import annotations

from collections.abc import Iterable

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.adapters.databases.mapping import content_of
from sharetally.adapters.databases.types import Binding
from sharetally.domain.link import ShareLink

_COLUMNS = (
    "code", "content_type", "content_id", "user_id", "channel", "campaign", "url", "created_at", "updated_at",
    "expires_at", "record_id", "deleted_at", "id",
)  # fmt: skip


def links_to_rows(links: Iterable[ShareLink], bind: Binding) -> RowBatch:
    """Links to insert, or to update by id, which is the last column."""
    rows = [
        (
            link.code,
            *link.content,
            link.user_id,
            link.channel,
            link.campaign,
            link.url,
            bind.time(link.created_at),
            bind.time(link.updated_at),
            bind.time(link.expires_at),
            bind.id(link.record_id),
            bind.time(link.deleted_at),
            bind.id(link.id),
        )
        for link in links
    ]
    return RowBatch(tables.share_links, _COLUMNS, rows)


def link_of(row: Row) -> ShareLink:
    """A stored link."""
    values = {name: row[name] for name in _COLUMNS if name not in ("content_type", "content_id")}
    return ShareLink(content=content_of(row), **values)
