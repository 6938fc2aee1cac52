"""Examples of the messages on `/live`, for the AsyncAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CONTENT = {"contentType": "video", "contentId": "dQw4w9WgXcQ"}
CLIENT_MESSAGE_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "token": {"token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"},
    "subscribe": {"subscribe": [_CONTENT, {**_CONTENT, "contentId": "abc", "version": 1_795_206_647_627_000}]},
    "unsubscribe": {"unsubscribe": [_CONTENT]},
    "subscribeActivity": {"subscribe": "activity"},
    "unsubscribeActivity": {"unsubscribe": "activity"},
    "several": {"unsubscribe": [_CONTENT], "subscribe": [{**_CONTENT, "contentId": "abc"}]},
}
SERVER_MESSAGE_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "liveCount": {
        **_CONTENT,
        "shareCount": 42,
        "breakdown": {"evidence": {"declared": 42}, "channel": {"twitter": 42}, "campaign": {"none": 42}},
        "version": 1_795_206_647_627_000,
        "asOf": "2026-11-20T20:30:47.627000Z",
    },
    "liveActivity": {"activity": [{"minute": "2026-11-25T10:31:00Z", "channel": "twitter", "shares": 12}]},
    "liveError": {
        "error": {
            "type": "/problems/invalid-request",
            "title": "The request is malformed",
            "status": 400,
            "detail": "subscribe: at most 1,000 content items for one client",
            "invalid": [{"path": "subscribe", "reason": "at most 1,000 content items for one client"}],
        }
    },
}
