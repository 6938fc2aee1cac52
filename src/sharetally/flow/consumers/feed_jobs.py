"""What is told outside: the requirement document's jobs as types, with `version` and the new `shareCount`.

These very types are encoded, and `/asyncapi.json` tells their schemas. A job waits on its event's row with
its name among its fields, for the row's own job is `share_feed`.
"""

# ruff: noqa: N815, the requirement document's names

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.content import shown_label
from sharetally.domain.event import Event, Job

VERSION: Final = 1
_Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]


class FeedJob(msgspec.Struct, frozen=True, kw_only=True):
    """What all of them have."""

    jobId: Annotated[_Uuid, Meta(description="Unique; the same job may come twice, with the same id.")]
    shareId: Annotated[_Uuid, Meta(description="The record, the link or the adjustment.")] | UnsetType = UNSET
    contentType: str
    contentId: str
    userId: Annotated[str, Meta(description="Whose share it is; for a correction, its author.")] | UnsetType = UNSET
    channelId: Annotated[str, Meta(description="Of a record, its platform.")] | UnsetType = UNSET
    campaignId: str | UnsetType = UNSET
    timestamp: Annotated[datetime, Meta(tz=True, description="When it happened; of a moved link, when it was made.")]
    version: Annotated[Literal[1], Meta(description="The version of this format.")]
    shareCount: Annotated[int, Meta(ge=0, description="The content's count after the batch that counted this job.")]


class ShareCreated(FeedJob, frozen=True, kw_only=True):
    """Somebody shared, or a link was made."""


class ShareDeleted(FeedJob, frozen=True, kw_only=True):
    """A share was withdrawn, or a link deleted."""


class ShareUpdated(FeedJob, frozen=True, kw_only=True):
    """Shared again by `force`, moved to another channel or campaign (the new ones are told), or confirmed."""


class ShareCountUpdate(FeedJob, frozen=True, kw_only=True):
    """A count was corrected, by hand or by another service."""

    operation: Literal["increment", "decrement"]
    amount: Annotated[int, Meta(ge=0)]


FEED_JOBS: Mapping[str, type[FeedJob]] = MappingProxyType(
    {
        Job.SHARE_CREATED: ShareCreated,
        Job.SHARE_DELETED: ShareDeleted,
        Job.SHARE_UPDATED: ShareUpdated,
        Job.SHARE_COUNT_UPDATE: ShareCountUpdate,
    }
)


class _Named(msgspec.Struct):
    job: str


_named = msgspec.json.Decoder(_Named)


def feed_job(event: Event, shares: int) -> FeedJob:
    """The job that tells of a counted event; `shares` is what stands now."""
    return FEED_JOBS[event.job](
        jobId=str(event.id),
        shareId=str(event.share_id) if event.share_id else UNSET,
        contentType=event.content.type,
        contentId=event.content.id,
        userId=_or_unset(event.user_id),
        channelId=_or_unset(shown_label(event.to.channel) if event.to else None),
        campaignId=_or_unset(shown_label(event.to.campaign) if event.to else None),
        timestamp=event.at,
        version=VERSION,
        shareCount=max(shares, 0),
        **(
            {"operation": "increment" if event.delta >= 0 else "decrement", "amount": abs(event.delta)}
            if event.job == Job.SHARE_COUNT_UPDATE
            else {}
        ),
    )


def _or_unset(value: str | None) -> str | UnsetType:
    return UNSET if value is None else value


def to_payload(name: str, job: FeedJob) -> str:
    """How it waits on its row."""
    return f'{{"job":"{name}",{msgspec.json.encode(job)[1:].decode()}'


def from_payload(payload: str) -> tuple[str, FeedJob]:
    """The name and the job that wait on a row."""
    name = _named.decode(payload).job
    return name, msgspec.json.decode(payload, type=FEED_JOBS[name])
