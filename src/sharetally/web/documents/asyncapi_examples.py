"""One example of each message, as the AsyncAPI document shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharetally.domain.event import Job

_TOLD = {
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
_TAKEN = {
    "jobId": "shop-4711",
    "contentType": "video",
    "contentId": "dQw4w9WgXcQ",
    "channelId": "shop",
    "timestamp": "2026-11-20T12:34:56Z",
}
OUTWARD_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    Job.SHARE_CREATED: _TOLD,
    Job.SHARE_DELETED: _TOLD | {"shareCount": 41},
    Job.SHARE_UPDATED: _TOLD | {"campaignId": "summer"},
    Job.SHARE_COUNT_UPDATE: _TOLD | {"operation": "decrement", "amount": 3, "shareCount": 39},
}
INWARD_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    Job.SHARE_CREATED: _TAKEN | {"shareId": "s-9", "userId": "user-42"},
    Job.SHARE_DELETED: _TAKEN | {"jobId": "shop-4712", "shareId": "s-9", "userId": "user-42"},
    Job.SHARE_COUNT_UPDATE: _TAKEN | {"jobId": "shop-4713", "operation": "increment", "amount": 5, "reason": "import"},
}
