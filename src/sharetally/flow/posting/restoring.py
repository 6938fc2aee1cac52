"""After a restore from a backup: a post that is unfinished in it may have been published since.

So every unfinished post becomes unknown, and is looked for before anything else happens. What was never attempted as
far as the backup knows lacks what a repetition needs, so it is not sent at all: if it is not there, it has failed, and
its user may retry it. A post that is scheduled for later cannot have been sent, and stays as it is.
"""

from __future__ import annotations

from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Trigger
from sharetally.flow.posting.settling import ACTOR
from sharetally.flow.retry import retry_transaction
from sharetally.flow.share_commands import Ids, apply_trigger
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import Clock, Ledger, LockSet
from sharetally.ports.posts import PostFilter, PostStore

BATCH = 200


async def doubt_unfinished(ledger: Ledger, posts: PostStore, clock: Clock) -> int:
    """Give every post that may have been published the status `unknown`; return how many that were."""
    doubted = 0
    for status in (PostStatus.PENDING, PostStatus.SENDING):
        after = None
        while page := await posts.page(PostFilter(status=status), limit=BATCH, after=after):
            for post in page:
                doubted += await retry_transaction(lambda found=post: _doubt(ledger, found, clock))  # type: ignore[misc]
            after = page[-1].id
    return doubted


async def _doubt(ledger: Ledger, found: Post, clock: Clock) -> bool:
    async with ledger.transaction() as tx:
        keys = frozenset({found.key})
        work = UnitOfWork(await tx.lock(LockSet(records=keys, posts=keys)), clock.now())
        post = work.post(found.key)
        if post is None or post.id != found.id or post.status not in {PostStatus.PENDING, PostStatus.SENDING}:
            return False
        if post.status is PostStatus.PENDING and post.scheduled_at is not None and post.scheduled_at > work.now:
            return False
        (ids,) = Ids.new(1)
        work.put_post(post._replace(status=PostStatus.UNKNOWN, attempted_at=post.attempted_at or work.now))
        apply_trigger(work, post.key, Trigger.LOSE, ids, actor=ACTOR, request_id=post.request_id)
        await tx.write(work.take_writes())
    return True
