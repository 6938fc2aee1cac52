"""Asking for a post within a command: the row of the post, and the delivery that moves it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sharetally.domain.ids import to_base62
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import ShareRecord
from sharetally.flow.posting.message import LOOK_ONCE, NO_ACCOUNT, post_delivery
from sharetally.flow.unit_of_work import UnitOfWork


@dataclass(frozen=True, kw_only=True, slots=True)
class PostRequest:
    """What is to be posted from which account; `text` contains `url`, the post's own short address."""

    id: UUID
    account_id: UUID
    text: str
    url: str
    scheduled_at: datetime | None = None
    warnings: Sequence[str] = ()


def request_post(
    work: UnitOfWork, record: ShareRecord, delivery_id: UUID, request_id: str, request: PostRequest | None
) -> None:
    """Write the post of a record with its delivery; one that is open is moved on instead."""
    newest = work.post(record.key)
    if newest is not None and newest.open:
        work.deliver(post_delivery(newest, delivery_id, request_id, purpose=f"{LOOK_ONCE} {delivery_id}"))
        return
    wanted = request or PostRequest(id=delivery_id, account_id=NO_ACCOUNT, text="", url="")
    post = Post(
        id=wanted.id,
        record_id=record.id,
        key=record.key,
        account_id=wanted.account_id,
        number=newest.number + 1 if newest else 1,
        status=PostStatus.PENDING,
        text=wanted.text,
        url=wanted.url,
        created_at=work.now,
        request_id=request_id,
        scheduled_at=wanted.scheduled_at,
    )
    work.put_post(post)
    work.deliver(post_delivery(post, delivery_id, request_id))


def again(post: Post | None, new_id: UUID) -> PostRequest | None:
    """The same post with an address of its own, so that a look cannot find the one before; None without a post."""
    if post is None:
        return None
    url = f"{post.url.rpartition('/')[0]}/{to_base62(new_id)}" if post.url else ""
    return PostRequest(id=new_id, account_id=post.account_id, text=post.text.replace(post.url, url), url=url)
