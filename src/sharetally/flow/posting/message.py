"""The payload of a post: enough to find the record and to know which attempt this is."""

from __future__ import annotations

from uuid import UUID

import msgspec

from sharetally.domain.share import RecordKey, ShareRecord
from sharetally.ports import NewDelivery, Target

KIND = "post"
MAX_IN_FLIGHT = 8  # posts to one platform at the same time


class PostMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The payload; `sharetally dead` and the API show it with these field names."""

    recordId: UUID  # noqa: N815
    contentType: str  # noqa: N815
    contentId: str  # noqa: N815
    platform: str
    userId: str  # noqa: N815
    attempt: int
    requestId: str  # noqa: N815

    @property
    def key(self) -> RecordKey:
        """The record's natural key."""
        return RecordKey(
            content_type=self.contentType, content_id=self.contentId, platform=self.platform, user_id=self.userId
        )


decode_post = msgspec.json.Decoder(PostMessage).decode


def post_delivery(record: ShareRecord, delivery_id: UUID, request_id: str) -> NewDelivery:
    """The delivery of a record's newest attempt.

    The target has no limit of waiting deliveries, because a post that was dropped would leave its record pending.
    """
    message = PostMessage(
        recordId=record.id,
        contentType=record.content.type,
        contentId=record.content.id,
        platform=record.platform,
        userId=record.user_id,
        attempt=record.attempt_count,
        requestId=request_id,
    )
    return NewDelivery(
        id=delivery_id,
        target=Target(KIND, record.platform, record.platform, MAX_IN_FLIGHT, max_waiting=None),
        key=f"{record.id}:{record.attempt_count}",
        message_id=delivery_id,
        payload=msgspec.json.encode(message).decode(),
    )
