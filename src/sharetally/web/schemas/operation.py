"""What goes in and out of parked jobs, keys, and the state of the service, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.adjustment import MAX_REASON
from sharetally.web.schemas.fields import LABEL, PROSE, RequestModel, ResponseModel, ShareCount, UtcDateTime, Uuid

Scope = Literal["shares", "audit", "analytics", "admin", "act-as"]
_JobId = Annotated[str, Meta(min_length=36, max_length=36, extra_json_schema={"format": "uuid"})]
_JobIds = Annotated[list[_JobId], Meta(min_length=1, max_length=500, description="Of parked jobs and dead deliveries.")]


# parked jobs


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


# keys


class Key(ResponseModel, frozen=True):
    """An API key; the key itself is not stored."""

    id: Uuid
    name: str
    scopes: list[Scope]
    createdAt: UtcDateTime
    lastUsedAt: Annotated[UtcDateTime, Meta(description="To the minute.")] | None
    revokedAt: UtcDateTime | None


class NewKey(Key, frozen=True):
    """A new API key, with its text: this is the only time that it is shown."""

    key: Annotated[str, Meta(examples=["stk_…"])]


class Keys(ResponseModel, frozen=True):
    """A page of keys, newest first, revoked ones included."""

    items: list[Key]
    next: Uuid | None


class KeyBody(RequestModel, frozen=True):
    """Whose key it is, and what it may."""

    name: Annotated[
        str, Meta(pattern=rf"^{LABEL}\Z", description="The audit calls it `key:<name>`.", examples=["shop"])
    ]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=5, extra_json_schema={"uniqueItems": True})]


# the service


class LastVerify(ResponseModel, frozen=True):
    """The last look at everything, by whichever process; `drift` 0 is right."""

    at: UtcDateTime
    contents: ShareCount
    drift: ShareCount
    seconds: float


class QueueDepth(ResponseModel, frozen=True):
    """Messages that are ready in a queue."""

    queue: str
    depth: int


class OperationStatus(ResponseModel, frozen=True):
    """What waits; `queues` is null where the broker does not tell."""

    eventsPending: ShareCount
    eventOldestSeconds: Annotated[float, Meta(description="Age of the oldest pending event.")]
    eventsParked: ShareCount
    queues: list[QueueDepth] | None
    lastVerify: LastVerify | None


class DriftedCell(ResponseModel, frozen=True):
    """A cell that is off: counted + pending is not what the ledger says."""

    contentType: str
    contentId: str
    cell: str
    counted: int
    pending: int
    ledger: int


class VerifyReport(ResponseModel, frozen=True):
    """What a look at everything found."""

    at: UtcDateTime
    contents: ShareCount
    drift: ShareCount
    seconds: float
    drifted: Annotated[list[DriftedCell], Meta(description="1,000 cells at most.")]


class CheckBody(ResponseModel, omit_defaults=True, frozen=True):
    """How one thing that the service needs is.

    `ahead`: the database was migrated for a newer version; this process goes on working.
    """

    status: Literal["ok", "down", "ahead"]
    detail: str | UnsetType = UNSET


class HealthBody(ResponseModel, omit_defaults=True, frozen=True):
    """How this process is: `degraded` does its work, `unavailable` cannot."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, CheckBody] | UnsetType = UNSET
