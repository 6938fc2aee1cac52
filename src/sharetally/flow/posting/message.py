"""The payload of a post's delivery: which post it is, and enough of its record for people who read a dead letter."""

from __future__ import annotations

from uuid import UUID

import msgspec

from sharetally.domain.delivery import Delivery
from sharetally.domain.post import Post
from sharetally.domain.share import RecordKey
from sharetally.ports import NewDelivery, Target

KIND = "post"
MAX_IN_FLIGHT = 1  # an account posts one thing after the other
LOOK_ONCE = "look"  # the purpose of a look that a user has asked for
NO_ACCOUNT = UUID(int=0)  # the post of a record that failed before there were accounts


class PostMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The payload; `sharetally dead` and the API show it with these field names.

    `postId` is None in a delivery that the version before has written.
    """

    recordId: UUID  # noqa: N815
    contentType: str  # noqa: N815
    contentId: str  # noqa: N815
    platform: str
    userId: str  # noqa: N815
    attempt: int
    requestId: str  # noqa: N815
    postId: UUID | None = None  # noqa: N815

    @property
    def key(self) -> RecordKey:
        """The record's natural key."""
        return RecordKey(
            content_type=self.contentType, content_id=self.contentId, platform=self.platform, user_id=self.userId
        )


def is_look_once(delivery: Delivery) -> bool:
    """Whether a user has asked for this look: it is made once, because the post's own delivery goes on looking."""
    return delivery.key.partition(":")[2].startswith(LOOK_ONCE)


decode_post = msgspec.json.Decoder(PostMessage).decode


def post_delivery(post: Post, delivery_id: UUID, request_id: str, *, purpose: str = "post") -> NewDelivery:
    """A delivery that moves this post on, whatever it needs: the row of the post decides, the delivery only wakes it.

    The target is the account; it has no limit of waiting deliveries, because a post that was dropped would leave its
    record pending. `purpose` distinguishes several deliveries of one post.
    """
    message = PostMessage(
        recordId=post.record_id,
        contentType=post.key.content_type,
        contentId=post.key.content_id,
        platform=post.key.platform,
        userId=post.key.user_id,
        attempt=post.number,
        requestId=request_id,
        postId=post.id,
    )
    return NewDelivery(
        id=delivery_id,
        target=Target(KIND, str(post.account_id), post.key.platform, MAX_IN_FLIGHT, max_waiting=None),
        key=f"{post.id}:{purpose}",
        message_id=delivery_id,
        payload=msgspec.json.encode(message).decode(),
        due_at=post.scheduled_at if purpose == "post" else None,
    )
