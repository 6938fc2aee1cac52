"""The bodies of requests and responses."""

# ruff: noqa: N815

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, HttpUrl


class ShareRequest(BaseModel):
    """Where to share."""

    platforms: list[str] | None = Field(default=None, min_length=1)
    mode: Literal["track_only", "server_post"] = "track_only"


class ShareResult(BaseModel):
    """The result for one platform."""

    platform: str
    status: str
    alreadyShared: bool


class ShareResponse(BaseModel):
    """The results for all platforms."""

    video_id: str
    results: list[ShareResult]


class LinkRequest(BaseModel):
    """A link to create."""

    contentType: str = Field(max_length=32)
    contentId: str = Field(max_length=64)
    url: HttpUrl
    channelId: str | None = Field(default=None, max_length=64)
    campaignId: str | None = Field(default=None, max_length=64)


class LinkResponse(BaseModel):
    """A link that was created."""

    id: int
    code: str
    contentType: str
    contentId: str
    userId: str
    channelId: str | None
    campaignId: str | None
    url: str
    createdAt: datetime


class CountResponse(BaseModel):
    """The count of a content item."""

    contentType: str
    contentId: str
    shareCount: int


class ShareCreatedJob(BaseModel):
    """The second document's event; `delta` distinguishes creation from deletion."""

    jobId: str
    shareId: str
    contentType: str
    contentId: str
    userId: str
    channelId: str | None = None
    campaignId: str | None = None
    timestamp: datetime
    delta: Literal[1, -1] = 1
