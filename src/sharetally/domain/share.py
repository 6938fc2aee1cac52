"""A share record and the one table that says what any request does to it.

A record is the latest state of one user's share of one content on one platform. `TABLE` is the
whole truth: for each state and each request, what comes next, what the audit says and which job
or post follows. `advance` only looks it up and fills in the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.caller import is_visitor
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Job


class Status(StrEnum):
    """Where a record stands; only `success` is a live share and counts."""

    PENDING = "pending"
    SENDING = "sending"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


class Evidence(StrEnum):
    """Why we believe a share: a visitor or a user said so, or the platform confirmed it."""

    ANONYMOUS = "anonymous"
    DECLARED = "declared"
    POSTED = "posted"


class Request(StrEnum):
    """What can be asked of a record: by its user, or (the last four) by the one who posts."""

    DECLARE = "declare"
    FORCE = "force"
    POST = "post"
    WITHDRAW = "withdraw"
    RETRY = "retry"
    BEGIN = "begin"
    CONFIRM = "confirm"
    REJECT = "reject"
    LOSE = "lose"


class Action(StrEnum):
    """What the audit says happened."""

    SHARED = "shared"
    RESHARED = "reshared"
    REVIVED = "revived"
    WITHDRAWN = "withdrawn"
    REQUESTED = "requested"
    RETRIED = "retried"
    SENDING = "sending"
    POSTED = "posted"
    FAILED = "failed"
    UNKNOWN = "unknown"
    LINK_CREATED = "link_created"
    LINK_UPDATED = "link_updated"
    LINK_DELETED = "link_deleted"
    ADJUSTED = "adjusted"
    DISCARDED = "discarded"
    REPAIRED = "repaired"


class Reply(StrEnum):
    """How a request ends: closed set."""

    DONE = "done"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One cell of the table: `to` is None unless the reply is DONE; `posts` says that a post is to be delivered."""

    reply: Reply
    to: Status | None = None
    action: Action | None = None
    job: Job | None = None
    posts: bool = False


def _goes(to: Status, action: Action, job: Job | None = None) -> Step:
    return Step(reply=Reply.DONE, to=to, action=action, job=job)


_STAYS = Step(reply=Reply.UNCHANGED)
_ABSENT = Step(reply=Reply.NOT_FOUND)
_CLASH = Step(reply=Reply.CONFLICT)

_SHARED = _goes(Status.SUCCESS, Action.SHARED, Job.SHARE_CREATED)
_RESHARED = _goes(Status.SUCCESS, Action.RESHARED, Job.SHARE_UPDATED)
_REVIVED = _goes(Status.SUCCESS, Action.REVIVED, Job.SHARE_CREATED)
_GONE = _goes(Status.WITHDRAWN, Action.WITHDRAWN, Job.SHARE_DELETED)
_ASKED = Step(reply=Reply.DONE, to=Status.PENDING, action=Action.REQUESTED, posts=True)
_AGAIN = Step(reply=Reply.DONE, to=Status.PENDING, action=Action.RETRIED, posts=True)
_SENDING = _goes(Status.SENDING, Action.SENDING)
_POSTED = _goes(Status.SUCCESS, Action.POSTED, Job.SHARE_CREATED)
_CONFIRMED = _goes(Status.SUCCESS, Action.POSTED, Job.SHARE_UPDATED)
_FAILED = _goes(Status.FAILED, Action.FAILED)
_LOST = _goes(Status.UNKNOWN, Action.UNKNOWN)

_REQUESTS = tuple(Request)
_ROWS: dict[Status | None, tuple[Step, ...]] = {
    #                  DECLARE   FORCE      POST    WITHDRAW  RETRY    BEGIN     CONFIRM     REJECT   LOSE
    None: (_SHARED, _SHARED, _ASKED, _ABSENT, _ABSENT, _ABSENT, _ABSENT, _ABSENT, _ABSENT),
    Status.PENDING: (_STAYS, _STAYS, _STAYS, _ABSENT, _CLASH, _SENDING, _CLASH, _FAILED, _CLASH),
    Status.SENDING: (_STAYS, _STAYS, _STAYS, _ABSENT, _CLASH, _CLASH, _POSTED, _FAILED, _LOST),
    Status.SUCCESS: (_STAYS, _RESHARED, _STAYS, _GONE, _CLASH, _CLASH, _CONFIRMED, _CLASH, _CLASH),
    Status.FAILED: (_SHARED, _SHARED, _ASKED, _ABSENT, _AGAIN, _CLASH, _CLASH, _CLASH, _CLASH),
    Status.UNKNOWN: (_SHARED, _SHARED, _STAYS, _ABSENT, _AGAIN, _CLASH, _POSTED, _CLASH, _CLASH),
    Status.WITHDRAWN: (_REVIVED, _REVIVED, _ASKED, _ABSENT, _CLASH, _CLASH, _CLASH, _CLASH, _CLASH),
}
TABLE: Mapping[tuple[Status | None, Request], Step] = MappingProxyType(
    {(state, request): step for state, row in _ROWS.items() for request, step in zip(_REQUESTS, row, strict=True)}
)


ACTIONS_OF_RECORDS: Mapping[Action, Status] = MappingProxyType(
    {step.action: step.to for step in TABLE.values() if step.action is not None and step.to is not None}
)
"""What can happen to a record, and the one status that each leaves it with."""


class RecordKey(NamedTuple):
    """What makes a record one: content, platform, user. Sorted, it is the order of locking."""

    content_type: str
    content_id: str
    platform: str
    user_id: str


class ShareRecord(NamedTuple):
    """The latest state of one user's share of one content on one platform.

    `first_shared_at` and `last_shared_at` are None until the share was live for the first time;
    `error_code` and `error_message` tell of the last failure, redacted and at most 500 characters.
    """

    id: UUID
    content: ContentRef
    platform: str
    user_id: str
    status: Status
    evidence: Evidence
    attempt_count: int
    error_code: str | None = None
    error_message: str | None = None
    first_shared_at: datetime | None = None
    last_shared_at: datetime | None = None
    external_id: str | None = None
    external_url: str | None = None

    @property
    def key(self) -> RecordKey:
        """The record's natural key."""
        return RecordKey(
            content_type=self.content.type,
            content_id=self.content.id,
            platform=self.platform,
            user_id=self.user_id,
        )

    @property
    def live(self) -> bool:
        """Whether it counts."""
        return self.status is Status.SUCCESS


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a post failed: a stable code and a text for people."""

    code: str
    message: str


class Advance(NamedTuple):
    """What a request did: `after` is what stands now, `step` the cell of the table that said so."""

    step: Step
    before: ShareRecord | None
    after: ShareRecord | None


def advance(
    record: ShareRecord | None,
    request: Request,
    *,
    key: RecordKey,
    new_id: UUID,
    now: datetime,
    failure: Failure | None = None,
) -> Advance:
    """Look the request up in `TABLE` and return the record as it stands afterwards."""
    step = TABLE[record.status if record else None, request]
    if step.to is None:
        return Advance(step=step, before=record, after=record)
    error_code, error_message = (failure.code, failure.message) if failure else (None, None)
    live = step.to is Status.SUCCESS
    if record is None:
        after = ShareRecord(
            id=new_id,
            content=ContentRef(type=key.content_type, id=key.content_id),
            platform=key.platform,
            user_id=key.user_id,
            status=step.to,
            evidence=_evidence(record, request, key.user_id),
            attempt_count=1,
            error_code=error_code,
            error_message=error_message,
            first_shared_at=now if live else None,
            last_shared_at=now if live else None,
        )
    else:
        after = record._replace(
            status=step.to,
            evidence=_evidence(record, request, key.user_id),
            attempt_count=record.attempt_count + (request in _NEW_ATTEMPT),
            error_code=error_code,
            error_message=error_message,
            first_shared_at=record.first_shared_at or (now if live else None),
            last_shared_at=now if live else record.last_shared_at,
        )
    return Advance(step=step, before=record, after=after)


_KEEPS_EVIDENCE = frozenset({Request.WITHDRAW, Request.BEGIN, Request.REJECT, Request.LOSE})
_NEW_ATTEMPT = frozenset({Request.DECLARE, Request.FORCE, Request.POST, Request.RETRY})
_BY_POSTING = frozenset({Request.POST, Request.RETRY, Request.CONFIRM})


def _evidence(record: ShareRecord | None, request: Request, user_id: str) -> Evidence:
    if record is not None and (request in _KEEPS_EVIDENCE or (request is Request.FORCE and record.live)):
        return record.evidence
    if request in _BY_POSTING:
        return Evidence.POSTED
    return Evidence.ANONYMOUS if is_visitor(user_id) else Evidence.DECLARED
