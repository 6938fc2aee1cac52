"""What other services may put into `sharetally.in`, as types: who reads it is `flow/consumers/external.py`."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sharetally.domain.adjustment import MAX_AMOUNT, MAX_JOB_ID, MAX_REASON
from sharetally.web.fields import LINE, PROSE, ContentType, Id, Label, OffsetDateTime

_Operation = Literal["increment", "decrement"]
_Text = Annotated[str, Meta(extra_json_schema={"pattern": PROSE})]


class ExternalJob(msgspec.Struct, frozen=True, kw_only=True):
    """What all of them have; other fields are ignored."""

    jobId: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_JOB_ID,
            description="Counts once; with other contents it is parked.",
            extra_json_schema={"pattern": LINE},
        ),
    ]
    contentType: ContentType
    contentId: Id
    timestamp: OffsetDateTime
    channelId: Label | None = None
    campaignId: Label | None = None
    reason: (
        Annotated[str, Meta(max_length=MAX_REASON, description="For the ledger.", extra_json_schema={"pattern": PROSE})]
        | None
    ) = None
    actor: Annotated[Id, Meta(description="The adjustment's author, else the user.")] | None = None


class ExternalShare(ExternalJob, frozen=True, kw_only=True):
    """`share_created` counts one more, `share_deleted` one less."""

    shareId: _Text
    userId: Id
    operation: Annotated[_Operation, Meta(description="Means nothing here.")] | None = None
    amount: Literal[1] = 1


class ExternalCountUpdate(ExternalJob, frozen=True, kw_only=True):
    """`share_count_update` counts `amount` more or less."""

    operation: _Operation
    amount: Annotated[int, Meta(ge=1, le=MAX_AMOUNT)] = 1
    shareId: _Text | None = None
    userId: Id | None = None
