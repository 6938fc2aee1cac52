"""What goes in and out of counts, corrections and proofs, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.domain.adjustment import MAX_AMOUNT, MAX_JOB_ID, MAX_REASON
from sharetally.web.count_responses import CountBody
from sharetally.web.fields import (
    LINE,
    PROSE,
    ContentType,
    Id,
    Label,
    RequestModel,
    ResponseModel,
    UtcDateTime,
)


class EventText(str):
    """A stream of events, each with a count."""


class CountQuery(RequestModel, frozen=True):
    """How exact."""

    consistent: Annotated[
        bool, Meta(description="Add what is committed and not yet counted: exact at once. Needs a token.")
    ] = False


class ContentName(RequestModel, frozen=True):
    """A content."""

    contentType: ContentType
    contentId: Id


class CountsBody(RequestModel, frozen=True):
    """Contents to count."""

    contents: Annotated[list[ContentName], Meta(max_length=200)]


class Counts(ResponseModel, frozen=True):
    """Counts in the order asked."""

    counts: list[CountBody]


class AdjustmentBody(RequestModel, kw_only=True, frozen=True):
    """A correction of one content's count."""

    operation: Literal["increment", "decrement"]
    reason: Annotated[
        str,
        Meta(
            min_length=1, max_length=MAX_REASON, description="Kept in the ledger.", extra_json_schema={"pattern": PROSE}
        ),
    ]
    amount: Annotated[int, Meta(ge=1, le=MAX_AMOUNT)] = 1
    channelId: Label | None = None
    campaignId: Label | None = None
    jobId: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=MAX_JOB_ID,
                description="The same one twice counts once; made here if it is missing.",
                extra_json_schema={"pattern": LINE},
            ),
        ]
        | UnsetType
    ) = UNSET


class NamedAdjustment(AdjustmentBody, kw_only=True, frozen=True):
    """A correction that names its content."""

    contentType: ContentType
    contentId: Id


class AdjustmentsBody(RequestModel, frozen=True):
    """Corrections that are all written, or none."""

    adjustments: Annotated[list[NamedAdjustment], Meta(min_length=1, max_length=500)]


class JobId(ResponseModel, frozen=True):
    """The job that counts the correction."""

    jobId: str


class JobIds(ResponseModel, frozen=True):
    """The jobs that count the corrections, in order."""

    jobIds: list[str]


class CellBody(ResponseModel, frozen=True):
    """One cell: counted + pending - ledger = drift."""

    cell: str
    ledger: int
    pending: int
    counted: int
    drift: int


class Proof(ResponseModel, frozen=True):
    """The total and every cell of one content, from one snapshot."""

    contentType: str
    contentId: str
    ledger: Annotated[int, Meta(description="Live shares and corrections.")]
    pending: Annotated[int, Meta(description="Committed, and not yet counted.")]
    counted: int
    drift: Annotated[int, Meta(description="counted + pending - ledger: 0, or something is broken.")]
    asOf: UtcDateTime
    cells: list[CellBody]
