"""After a restore from a backup: posts that are unfinished in it may have been sent since.

Each of them becomes `unknown`, is looked for at the platform, and is never sent blindly. What is scheduled for later
cannot have been sent and stays pending.
"""

from __future__ import annotations

from sharetally.domain.post import Post, PostStatus
from sharetally.flow.posting.settling import Settling
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock, Ledger
from sharetally.ports.posts import PostFilter, PostStore

BATCH = 500


async def lose_unfinished(ledger: Ledger, posts: PostStore, clock: Clock) -> int:
    """Give every post that was due and is not finished the status `unknown`; return how many that were."""
    settling, now = Settling(clock), clock.now()

    async def lose(post: Post) -> bool:
        async with ledger.transaction() as tx:
            return await settling.lose(tx, post)

    lost = 0
    for status in (PostStatus.PENDING, PostStatus.SENDING):
        after = None
        while page := await posts.page(PostFilter(status=status), limit=BATCH, after=after):
            for post in page:
                if post.scheduled_at is None or post.scheduled_at <= now:
                    lost += await retry_transaction(lambda each=post: lose(each))  # type: ignore[misc]
            after = page[-1].id
    return lost
