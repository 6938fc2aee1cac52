"""The bodies of dead letters: parked jobs and dead deliveries."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.adjustment import MAX_REASON
from sharetally.web.fields import PROSE, RequestModel, ResponseModel, UtcDateTime, Uuid

_JobId = Annotated[str, Meta(min_length=36, max_length=36, extra_json_schema={"format": "uuid"})]
_JobIds = Annotated[list[_JobId], Meta(min_length=1, max_length=500, description="Of parked jobs and dead deliveries.")]


class JobCell(ResponseModel, frozen=True):
    """A cell of the breakdown; null for no channel or campaign."""

    evidence: str
    channelId: str | None
    campaignId: str | None


class DeadJob(ResponseModel, rename={"origin": "from"}, frozen=True):
    """A job that was set aside, or a delivery that is dead. A job moves `moved` shares between `from` and `to`."""

    id: Uuid
    job: Annotated[str, Meta(description="Of a delivery: its kind.")]
    contentType: Annotated[str, Meta(description="Empty for a job from another service that names none.")]
    contentId: str
    delta: Annotated[int, Meta(description="What it adds to the total.")]
    moved: int
    to: JobCell | None
    origin: JobCell | None
    reason: Annotated[str, Meta(description="Why it was set aside.")]
    attempts: int
    createdAt: UtcDateTime
    recordId: Uuid | None
    userId: str | None
    platform: str | None
    requestId: str
    payload: Annotated[
        str,
        Meta(
            description="What else it bears: of a job from another service its name and body, of a delivery its text."
        ),
    ]
    target: Annotated[str, Meta(description="Of deliveries alone: where it goes.")] | UnsetType = UNSET
    state: (
        Annotated[Literal["dead", "unknown"], Meta(description="Of deliveries alone: `unknown` may have arrived.")]
        | UnsetType
    ) = UNSET


class DeadJobs(ResponseModel, frozen=True):
    """A page of jobs that were set aside, newest first."""

    items: list[DeadJob]
    next: Uuid | None


class ReplayBody(RequestModel, frozen=True):
    """Which jobs are to be counted after all."""

    ids: _JobIds


class DiscardBody(RequestModel, frozen=True):
    """Which jobs are given up, and why."""

    ids: _JobIds
    reason: Annotated[
        str,
        Meta(
            min_length=1, max_length=MAX_REASON, description="Kept in the ledger.", extra_json_schema={"pattern": PROSE}
        ),
    ]


class DeadResult(ResponseModel, omit_defaults=True, frozen=True):
    """What became of one: `not-found` is not parked (any more), `failed` may be tried again."""

    id: Uuid
    outcome: Literal["replayed", "discarded", "not-found", "failed"]
    detail: str | UnsetType = UNSET


class DeadResults(ResponseModel, frozen=True):
    """What became of each, in the order asked."""

    results: list[DeadResult]
