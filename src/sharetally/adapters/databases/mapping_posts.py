"""Posts as rows, and rows as posts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.adapters.databases.types import Binding
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import RecordKey
from sharetally.domain.spending import Charge

# `Connection.update` finds a row by the last column.
_COLUMNS = (
    "record_id", "content_type", "content_id", "platform", "user_id", "account_id", "number", "status", "open_record",
    "text", "url", "request_id", "prepared", "attempted_at", "scheduled_at", "cancel_requested", "external_id",
    "external_url", "error_code", "error_message", "created_at", "finished_at", "charged", "charged_on", "id",
)  # fmt: skip


def posts_to_rows(posts: Iterable[Post], bind: Binding) -> RowBatch:
    """Posts to insert, or to update by their id."""
    rows = [
        (
            bind.id(post.record_id),
            *post.key,
            bind.id(post.account_id),
            post.number,
            post.status.value,
            bind.id(post.record_id) if post.open else None,
            post.text,
            post.url,
            post.request_id,
            None if post.prepared is None else msgspec.json.encode(post.prepared).decode(),
            bind.time(post.attempted_at) if post.attempted_at else None,
            bind.time(post.scheduled_at) if post.scheduled_at else None,
            int(post.cancel_requested),
            post.external_id,
            post.external_url,
            post.error_code,
            post.error_message,
            bind.time(post.created_at),
            bind.time(post.finished_at) if post.finished_at else None,
            post.charge.amount if post.charge else None,
            post.charge.day if post.charge else None,
            bind.id(post.id),
        )
        for post in posts
    ]
    return RowBatch(tables.posts, _COLUMNS, rows)


def post_of(row: Row) -> Post:
    """The post of a row."""
    key = RecordKey(
        content_type=row["content_type"],
        content_id=row["content_id"],
        platform=row["platform"],
        user_id=row["user_id"],
    )
    return Post(
        id=row["id"],
        record_id=row["record_id"],
        key=key,
        account_id=row["account_id"],
        number=row["number"],
        status=PostStatus(row["status"]),
        text=row["text"],
        url=row["url"],
        created_at=row["created_at"],
        request_id=row["request_id"],
        prepared=None if row["prepared"] is None else msgspec.json.decode(row["prepared"], type=dict[str, str]),
        attempted_at=row["attempted_at"],
        scheduled_at=row["scheduled_at"],
        cancel_requested=bool(row["cancel_requested"]),
        external_id=row["external_id"],
        external_url=row["external_url"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        finished_at=row["finished_at"],
        charge=None
        if row["charged"] is None
        else Charge(platform=key.platform, day=row["charged_on"], user_id=key.user_id, amount=row["charged"]),
    )
