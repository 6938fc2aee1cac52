"""The bodies of health, backlog and verification."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.fields import ResponseModel, ShareCount, UtcDateTime


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


class GateBody(ResponseModel, frozen=True):
    """A gate that is closed, so that whatever is behind it waits; the gate of a post is its platform."""

    gate: str
    reason: str
    until: Annotated[UtcDateTime | None, Meta(description="Null: until somebody opens it.")]
    version: Annotated[str | None, Meta(description="The ended version of an API, if that is why it is closed.")]


class OperationStatus(ResponseModel, frozen=True):
    """What waits; `queues` is null where the broker does not tell."""

    eventsPending: ShareCount
    eventOldestSeconds: Annotated[float, Meta(description="Age of the oldest pending event.")]
    eventsParked: ShareCount
    queues: list[QueueDepth] | None
    lastVerify: LastVerify | None
    closedGates: list[GateBody]


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
    """The state of one thing that the service needs.

    `ahead`: the database was migrated for a newer version; this process goes on working. `paused`: posts to a platform
    wait, because it has ended the version of its API.
    """

    status: Literal["ok", "down", "ahead", "paused"]
    detail: str | UnsetType = UNSET


class HealthBody(ResponseModel, omit_defaults=True, frozen=True):
    """How this process is: `degraded` does its work, `unavailable` cannot."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, CheckBody] | UnsetType = UNSET
