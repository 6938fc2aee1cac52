"""One example of each message on the broker, for the AsyncAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharetally.domain.event import Job

_FEED_EVENT = {
    "jobId": "01a1faaa-b462-7484-9ed6-b978f0a9e5a0",
    "shareId": "01a1faaa-b462-7440-a7a3-349e6791f878",
    "contentType": "video",
    "contentId": "dQw4w9WgXcQ",
    "userId": "user-42",
    "channelId": "newsletter",
    "campaignId": "spring",
    "timestamp": "2026-11-20T12:34:56.123456Z",
    "version": 1,
    "shareCount": 42,
}
_INBOUND_JOB = {
    "jobId": "shop-4711",
    "contentType": "video",
    "contentId": "dQw4w9WgXcQ",
    "channelId": "shop",
    "timestamp": "2026-11-20T12:34:56Z",
}
FEED_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    Job.SHARE_CREATED: _FEED_EVENT,
    Job.SHARE_DELETED: _FEED_EVENT | {"shareCount": 41},
    Job.SHARE_UPDATED: _FEED_EVENT | {"campaignId": "summer"},
    Job.SHARE_COUNT_UPDATE: _FEED_EVENT | {"operation": "decrement", "amount": 3, "shareCount": 39},
}
INBOUND_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    Job.SHARE_CREATED: _INBOUND_JOB | {"shareId": "s-9", "userId": "user-42"},
    Job.SHARE_DELETED: _INBOUND_JOB | {"jobId": "shop-4712", "shareId": "s-9", "userId": "user-42"},
    Job.SHARE_COUNT_UPDATE: _INBOUND_JOB
    | {"jobId": "shop-4713", "operation": "increment", "amount": 5, "reason": "import"},
}
