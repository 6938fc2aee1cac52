"""What the suites about posts share: a post as it is stored, with its record."""

from __future__ import annotations

from typing import Any

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.ports import Writes
from tests.contracts.database_rows import AT, record, records_by_key, write_rows


def waiting_record(**changes: Any) -> ShareRecord:
    """A record of anna's on mastodon that waits to be posted."""
    values = {"platform": "mastodon", "status": Status.PENDING, "evidence": Evidence.POSTED}
    return record(**{**values, "first_shared_at": None, "last_shared_at": None, **changes})


def post_for(stands: ShareRecord, **changes: Any) -> Post:
    """The first post of a record; it is pending."""
    made = new_id()
    post = Post(
        id=made,
        record_id=stands.id,
        key=stands.key,
        account_id=new_id(),
        number=1,
        status=PostStatus.PENDING,
        text=f"Ein schönes Video 🎬 https://shares.example/s/{to_base62(made)}",
        url=f"https://shares.example/s/{to_base62(made)}",
        created_at=AT,
        request_id="request-1",
    )
    return post._replace(**changes)


async def store(db: SqlDatabase, stands: ShareRecord, *posts: Post) -> None:
    """Write a new record with its posts."""
    await write_rows(db, Writes(new_records=records_by_key(stands), new_posts={each.id: each for each in posts}))
