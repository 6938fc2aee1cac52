"""One example of every request and response body, for the OpenAPI document and the HTML reference.

A test checks each example against its type, and that the examples in the documentation are among them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sharetally.web.api.accounts import schemas as schemas_accounts
from sharetally.web.api.analytics import schemas as schemas_analytics
from sharetally.web.api.audit import schemas as schemas_audit
from sharetally.web.api.console import schemas as schemas_console
from sharetally.web.api.content_items import schemas as schemas_content_items
from sharetally.web.api.counts import schemas as schemas_counts
from sharetally.web.api.dead_letters import schemas as schemas_dead_letters
from sharetally.web.api.keys import schemas as schemas_keys
from sharetally.web.api.links import schemas as schemas_links
from sharetally.web.api.operation import schemas as schemas_operation
from sharetally.web.api.posts import schemas as schemas_posts
from sharetally.web.api.shares import schemas
from sharetally.web.api.tokens import schemas as schemas_tokens
from sharetally.web.count_responses import CountBody

_VIDEO = "dQw4w9WgXcQ"
_AT = "2026-11-20T12:34:56.123456Z"
_ID = "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f"
_PAGE = "https://x.com/intent/tweet?url=https%3A%2F%2Fshop.example%2Fs%2F02xBqYkqCkFX5pD8Yk0Vb1"
_CONTENT = {"contentType": "article", "contentId": "123"}
_TWITTER = {
    "platform": "twitter",
    "status": "success",
    "alreadyShared": False,
    "evidence": "declared",
    "shareUrl": _PAGE,
}
_STATUS = [
    {
        "platform": "twitter",
        "shared": True,
        "shareCount": 3,
        "sharedByMe": True,
        "lastSharedAt": _AT,
        "myStatus": "success",
    },
    {"platform": "whatsapp", "shared": False, "shareCount": 0, "sharedByMe": False},
]
_ACCOUNT = {
    "id": _ID,
    "platform": "mastodon",
    "externalId": "109348684957324560",
    "server": "https://mastodon.social",
    "handle": "anna",
    "label": "the shop",
    "isDefault": True,
    "status": "connected",
    "createdAt": _AT,
    "updatedAt": _AT,
}
_POST = {
    "id": _ID,
    "recordId": _ID,
    **_CONTENT,
    "platform": "mastodon",
    "userId": "anna",
    "accountId": _ID,
    "status": "success",
    "text": "Worth reading: https://shop.example/s/02xBqYkqCkFX5pD8Yk0Vb1",
    "shortUrl": "https://shop.example/s/02xBqYkqCkFX5pD8Yk0Vb1",
    "createdAt": _AT,
    "scheduledAt": None,
    "finishedAt": _AT,
    "url": "https://mastodon.social/@anna/113563842101234567",
    "error": None,
}
_LINK = {
    "id": _ID,
    "code": "aB3dE5fG7h",
    "shortUrl": "https://shop.example/s/aB3dE5fG7h",
    **_CONTENT,
    "userId": "user-42",
    "channelId": "newsletter",
    "campaignId": "spring",
    "url": "https://shop.example/articles/123",
    "createdAt": _AT,
    "updatedAt": _AT,
    "expiresAt": None,
}
_COUNT = {
    **_CONTENT,
    "shareCount": 42,
    "breakdown": {
        "evidence": {"link": 30, "declared": 10, "posted": 2},
        "channel": {"newsletter": 22, "twitter": 12, "none": 8},
        "campaign": {"spring": 25, "none": 17},
    },
    "version": 1_795_190_400_000_000,
    "asOf": _AT,
}
_ADJUST = {"operation": "increment", "amount": 3, "reason": "import from the old counter", "jobId": "import-1"}
_CELL = {"cell": "total", "ledger": 42, "pending": 1, "counted": 41, "drift": 0}
_AUDIT_LINE = {
    "id": _ID,
    "at": _AT,
    "userId": "user-42",
    "actor": "user-42",
    "action": "shared",
    "platform": "twitter",
    "contentType": "video",
    "contentId": _VIDEO,
    "status": "success",
    "error": None,
    "requestId": "b2f1c0d4e5",
    "recordId": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e40",
}
_COLUMNS = (
    *("id", "at", "userId", "actor", "action", "platform", "contentType", "contentId"),
    *("status", "errorCode", "errorMessage", "requestId", "recordId"),
)
_RECORD = {
    "id": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e40",
    "contentType": "video",
    "contentId": _VIDEO,
    "platform": "twitter",
    "userId": "user-42",
    "status": "success",
    "evidence": "declared",
    "attemptCount": 1,
    "error": None,
    "firstSharedAt": _AT,
    "lastSharedAt": _AT,
    "externalId": None,
    "externalUrl": None,
}
_TOTALS = {"made": 12, "withdrawn": 2, "shares": 10}
_POINT = {"at": "2026-11-20T00:00:00+01:00", **_TOTALS}
_DETAILS = {
    "title": "How we count",
    "image": "https://shop.example/articles/123.png",
    "url": "https://shop.example/articles/123",
}
_CONTENT_ITEM = {**_CONTENT, **_DETAILS, "urlSource": "own", "shareCount": 42, "updatedAt": _AT}
_DEAD_JOB = {
    "id": _ID,
    "job": "share_created",
    **_CONTENT,
    "delta": 1,
    "moved": 1,
    "to": {"evidence": "declared", "channelId": "twitter", "campaignId": None},
    "from": None,
    "reason": "the database refuses it",
    "attempts": 3,
    "createdAt": _AT,
    "recordId": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e40",
    "userId": "user-42",
    "platform": "twitter",
    "requestId": "b2f1c0d4e5",
    "payload": "",
}
_KEY = {
    "id": _ID,
    "name": "shop",
    "scopes": ["shares", "act-as"],
    "createdAt": _AT,
    "lastUsedAt": _AT,
    "revokedAt": None,
}
_VERIFICATION = {"at": _AT, "contents": 1200, "drift": 0, "seconds": 0.42}
_PLATFORM = {
    "platform": "mastodon",
    "label": "Mastodon",
    "intent": True,
    "server_post": True,
    "textLimit": 500,
    "textRule": {"unit": "graphemes", "limit": 500, "linkLength": 23, "urlLength": 23},
}

EXAMPLES: Mapping[Any, Any] = MappingProxyType(
    {
        schemas.ShareBody: {"platforms": ["twitter", "whatsapp"], "mode": "track_only"},
        schemas.VideoShares: {"video_id": _VIDEO, "mode": "track_only", "results": [_TWITTER]},
        schemas.ContentShares: {**_CONTENT, "mode": "track_only", "results": [_TWITTER]},
        schemas.VideoStatus: {"video_id": _VIDEO, "platforms": _STATUS},
        schemas.ContentStatus: {**_CONTENT, "platforms": _STATUS},
        schemas.RetryBody: {"platform": "twitter", "status": "pending", "attemptCount": 2},
        schemas.Platforms: {"platforms": [_PLATFORM]},
        schemas_links.LinkBody: {**_CONTENT, "url": "https://shop.example/articles/123", "channelId": "newsletter"},
        schemas_links.LinkPatch: {"campaignId": "summer", "expiresAt": None},
        schemas_links.Link: _LINK,
        schemas_links.Links: {"items": [_LINK], "next": None},
        CountBody: _COUNT,
        schemas_counts.CountsBody: {"contents": [_CONTENT, {"contentType": "video", "contentId": _VIDEO}]},
        schemas_counts.Counts: {"counts": [_COUNT]},
        schemas_counts.AdjustmentBody: _ADJUST,
        schemas_counts.AdjustmentsBody: {"adjustments": [{**_CONTENT, **_ADJUST}]},
        schemas_counts.JobId: {"jobId": "import-1"},
        schemas_counts.JobIds: {"jobIds": ["import-1"]},
        schemas_counts.Proof: {
            **_CONTENT,
            "ledger": 42,
            "pending": 1,
            "counted": 41,
            "drift": 0,
            "asOf": _AT,
            "cells": [_CELL],
        },
        schemas_analytics.SharesOverTime: {
            "from": "2026-11-20T00:00:00+01:00",
            "to": "2026-11-21T00:00:00+01:00",
            "bucket": "day",
            "timezone": "Europe/Berlin",
            "groupBy": "channel",
            "total": _TOTALS,
            "series": [{"name": "twitter", **_TOTALS, "points": [_POINT]}],
        },
        schemas_analytics.Top: {"items": [{**_CONTENT, **_DETAILS, **_TOTALS, "shareCount": 42}]},
        schemas_content_items.ContentBody: _DETAILS,
        schemas_content_items.ContentItem: _CONTENT_ITEM,
        schemas_content_items.Contents: {"items": [_CONTENT_ITEM], "next": "article:123"},
        schemas_audit.AuditLines: {"items": [_AUDIT_LINE], "next": _ID},
        schemas_audit.CsvText: f"{','.join(_COLUMNS)}\r\n{_ID},{_AT},user-42,user-42,shared,twitter,video,{_VIDEO},"
        "success,,,b2f1c0d4e5,0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e40\r\n",
        schemas_audit.JsonLines: f"{json.dumps(_AUDIT_LINE, separators=(',', ':'))}\n",
        schemas_audit.RecordHistory: {"record": _RECORD, "link": None, "entries": [_AUDIT_LINE]},
        schemas_accounts.ConnectBody: {"instance": "mastodon.social"},
        schemas_accounts.AuthorizeUrl: {"authorizeUrl": "https://mastodon.social/oauth/authorize?client_id=…"},
        schemas_accounts.ConnectedAccount: _ACCOUNT,
        schemas_accounts.ConnectedAccounts: {"items": [_ACCOUNT], "platforms": ["bluesky", "mastodon"]},
        schemas_accounts.AccountPatch: {"label": "the shop", "isDefault": True},
        schemas_tokens.TokenBody: {"userId": "user-42", "scope": "shares", "ttl": 300},
        schemas_tokens.Token: {"token": "eyJhbGciOi…", "scope": "shares", "expiresAt": _AT},
        schemas_dead_letters.DeadJob: _DEAD_JOB,
        schemas_dead_letters.DeadJobs: {"items": [_DEAD_JOB], "next": None},
        schemas_dead_letters.ReplayBody: {"ids": [_ID]},
        schemas_dead_letters.DiscardBody: {"ids": [_ID], "reason": "sent twice by the old shop"},
        schemas_dead_letters.DeadResults: {"results": [{"id": _ID, "outcome": "replayed", "detail": "sent"}]},
        schemas_keys.Key: _KEY,
        schemas_keys.Keys: {"items": [_KEY], "next": None},
        schemas_keys.KeyBody: {"name": "shop", "scopes": ["shares", "act-as"]},
        schemas_keys.NewKey: {**_KEY, "lastUsedAt": None, "key": "stk_"},
        schemas_operation.OperationStatus: {
            "closedGates": [
                {
                    "gate": "linkedin",
                    "reason": "LinkedIn has ended version 202511 of its API; the operator sets a newer one",
                    "until": "2026-11-20T13:34:56.123456Z",
                    "version": "linkedin/202511",
                }
            ],
            "eventsPending": 3,
            "eventOldestSeconds": 0.1,
            "eventsParked": 1,
            "queues": [{"queue": "count", "depth": 2}],
            "lastVerify": _VERIFICATION,
        },
        schemas_operation.VerifyReport: {**_VERIFICATION, "drifted": []},
        schemas_operation.HealthBody: {
            "status": "degraded",
            "checks": {
                "database": {"status": "ok"},
                "broker": {"status": "down", "detail": "is not connected; events wait in the database"},
                "cache": {"status": "ok"},
            },
        },
        schemas_console.SignInBody: {"code": "Zq3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9f"},
        schemas_console.ConsoleSession: {
            "userId": "mara",
            "scopes": ["shares", "audit", "analytics", "admin"],
            "expiresAt": _AT,
            "name": "Mara Lund",
        },
        schemas_console.ConsoleOptions: {"oidc": False, "publicUrl": "https://shop.example"},
        schemas_posts.PostItem: _POST,
        schemas_posts.PostList: {"items": [_POST], "next": None},
        schemas_posts.PostBudgets: {
            "items": [
                {
                    "platform": "twitter",
                    "budgetMicros": 20_000_000,
                    "userBudgetMicros": 1_000_000,
                    "spentMicros": 3_400_000,
                    "unknownMicros": 200_000,
                    "currency": "USD",
                    "resetsAt": "2026-11-21T00:00:00Z",
                    "whenSpent": "wait",
                }
            ]
        },
        schemas_posts.DecideBody: {"posted": True, "url": "https://x.com/anna/status/1795190400000000000"},
        str: "sharetally_events_pending 0.0\n",
        schemas_counts.EventText: 'id: 1795190400000000\ndata: {"contentType":"video","contentId":"abc"}\n\n',
    }
)
