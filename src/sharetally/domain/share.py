"""A share record, and the one table that defines what any trigger does to it.

A record is the latest state of one user's share of one content item on one platform. `TABLE` is the whole truth: for
each status and each trigger it gives the next status, the audit's action, and the job or post that follows.
`transition` only looks it up and fills in the fields.
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
    """The status of a record; only `success` is a live share and counts."""

    PENDING = "pending"
    SENDING = "sending"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


class Evidence(StrEnum):
    """How the service knows about a share: a visitor or a user said so, or the platform confirmed it."""

    ANONYMOUS = "anonymous"
    DECLARED = "declared"
    POSTED = "posted"


class Trigger(StrEnum):
    """What can be done to a record: by its user, or (the last four) by whatever posts it."""

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
    """The action that the audit records."""

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
    """How a trigger ends; a closed set."""

    DONE = "done"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """One entry of the table: `to` is None unless the reply is DONE; with `posts`, a post has to be delivered."""

    reply: Reply
    to: Status | None = None
    action: Action | None = None
    job: Job | None = None
    posts: bool = False


def _transition_to(to: Status, action: Action, job: Job | None = None) -> Transition:
    return Transition(reply=Reply.DONE, to=to, action=action, job=job)


_STAYS = Transition(reply=Reply.UNCHANGED)
_ABSENT = Transition(reply=Reply.NOT_FOUND)
_CONFLICT = Transition(reply=Reply.CONFLICT)

_SHARED = _transition_to(Status.SUCCESS, Action.SHARED, Job.SHARE_CREATED)
_RESHARED = _transition_to(Status.SUCCESS, Action.RESHARED, Job.SHARE_UPDATED)
_REVIVED = _transition_to(Status.SUCCESS, Action.REVIVED, Job.SHARE_CREATED)
_WITHDRAWN = _transition_to(Status.WITHDRAWN, Action.WITHDRAWN, Job.SHARE_DELETED)
_CANCELLED = _transition_to(Status.WITHDRAWN, Action.WITHDRAWN)  # it was never live, so nothing is uncounted
_REQUESTED = Transition(reply=Reply.DONE, to=Status.PENDING, action=Action.REQUESTED, posts=True)
_ADDED = Transition(reply=Reply.DONE, to=Status.SUCCESS, action=Action.REQUESTED, posts=True)
_LOOKS = Transition(reply=Reply.DONE, to=Status.UNKNOWN, action=Action.RETRIED, posts=True)
_RETRIED = Transition(reply=Reply.DONE, to=Status.PENDING, action=Action.RETRIED, posts=True)
_SENDING = _transition_to(Status.SENDING, Action.SENDING)
_POSTED = _transition_to(Status.SUCCESS, Action.POSTED, Job.SHARE_CREATED)
_CONFIRMED = _transition_to(Status.SUCCESS, Action.POSTED, Job.SHARE_UPDATED)
_FAILED = _transition_to(Status.FAILED, Action.FAILED)
_UNKNOWN = _transition_to(Status.UNKNOWN, Action.UNKNOWN)

_TRIGGERS = tuple(Trigger)
_ROWS: dict[Status | None, tuple[Transition, ...]] = {
    #                  DECLARE   FORCE      POST    WITHDRAW  RETRY    BEGIN     CONFIRM     REJECT   LOSE
    None: (_SHARED, _SHARED, _REQUESTED, _ABSENT, _ABSENT, _ABSENT, _ABSENT, _ABSENT, _ABSENT),
    Status.PENDING: (_STAYS, _STAYS, _STAYS, _CANCELLED, _CONFLICT, _SENDING, _POSTED, _FAILED, _UNKNOWN),
    Status.SENDING: (_STAYS, _STAYS, _STAYS, _CANCELLED, _CONFLICT, _CONFLICT, _POSTED, _FAILED, _UNKNOWN),
    Status.SUCCESS: (_STAYS, _RESHARED, _ADDED, _WITHDRAWN, _CONFLICT, _CONFLICT, _CONFIRMED, _CONFLICT, _CONFLICT),
    Status.FAILED: (_SHARED, _SHARED, _REQUESTED, _ABSENT, _RETRIED, _CONFLICT, _CONFLICT, _CONFLICT, _CONFLICT),
    Status.UNKNOWN: (_SHARED, _SHARED, _STAYS, _CANCELLED, _LOOKS, _CONFLICT, _POSTED, _FAILED, _CONFLICT),
    Status.WITHDRAWN: (_REVIVED, _REVIVED, _REQUESTED, _ABSENT, _CONFLICT, _CONFLICT, _CONFLICT, _CONFLICT, _CONFLICT),
}
TABLE: Mapping[tuple[Status | None, Trigger], Transition] = MappingProxyType(
    {
        (state, trigger): transition
        for state, row in _ROWS.items()
        for trigger, transition in zip(_TRIGGERS, row, strict=True)
    }
)


ACTIONS_OF_RECORDS: Mapping[Action, Status] = MappingProxyType(
    {
        transition.action: transition.to
        for transition in TABLE.values()
        if transition.action is not None and transition.to is not None
    }
)
"""The actions that change a record, each with the one status that the record has afterwards."""


class RecordKey(NamedTuple):
    """What identifies a record: content item, platform and user. Records are locked in the order of their keys."""

    content_type: str
    content_id: str
    platform: str
    user_id: str


class ShareRecord(NamedTuple):
    """The latest state of one user's share of one content item on one platform.

    `first_shared_at` and `last_shared_at` are None until the share is live for the first time;
    `error_code` and `error_message` describe the last failure, redacted and in at most 500 characters.
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
        """Whether the record counts."""
        return self.status is Status.SUCCESS


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a post failed: a stable code and a readable message."""

    code: str
    message: str


class Transitioned(NamedTuple):
    """The result of a trigger: `after` is the new record, `transition` the entry of the table that was applied."""

    transition: Transition
    before: ShareRecord | None
    after: ShareRecord | None


def transition(
    record: ShareRecord | None,
    trigger: Trigger,
    *,
    key: RecordKey,
    new_id: UUID,
    now: datetime,
    failure: Failure | None = None,
) -> Transitioned:
    """Look the trigger up in `TABLE` and return the record as it is afterwards."""
    transition = TABLE[record.status if record else None, trigger]
    if transition.to is None:
        return Transitioned(transition=transition, before=record, after=record)
    error_code, error_message = (failure.code, failure.message) if failure else (None, None)
    live = transition.to is Status.SUCCESS and trigger is not Trigger.POST  # asking for a post shares nothing yet
    if record is None:
        after = ShareRecord(
            id=new_id,
            content=ContentRef(type=key.content_type, id=key.content_id),
            platform=key.platform,
            user_id=key.user_id,
            status=transition.to,
            evidence=_evidence(record, trigger, key.user_id),
            attempt_count=1,
            error_code=error_code,
            error_message=error_message,
            first_shared_at=now if live else None,
            last_shared_at=now if live else None,
        )
    else:
        after = record._replace(
            status=transition.to,
            evidence=_evidence(record, trigger, key.user_id),
            attempt_count=record.attempt_count + (trigger in _STARTS_ATTEMPT),
            error_code=error_code,
            error_message=error_message,
            first_shared_at=record.first_shared_at or (now if live else None),
            last_shared_at=now if live else record.last_shared_at,
        )
    return Transitioned(transition=transition, before=record, after=after)


_KEEPS_EVIDENCE = frozenset({Trigger.WITHDRAW, Trigger.BEGIN, Trigger.REJECT, Trigger.LOSE})
_KEEPS_IF_LIVE = frozenset({Trigger.FORCE, Trigger.POST})
_STARTS_ATTEMPT = frozenset({Trigger.DECLARE, Trigger.FORCE, Trigger.POST, Trigger.RETRY})
_POSTING_TRIGGERS = frozenset({Trigger.POST, Trigger.RETRY, Trigger.CONFIRM})


def _evidence(record: ShareRecord | None, trigger: Trigger, user_id: str) -> Evidence:
    if record is not None and (trigger in _KEEPS_EVIDENCE or (trigger in _KEEPS_IF_LIVE and record.live)):
        return record.evidence
    if trigger in _POSTING_TRIGGERS:
        return Evidence.POSTED
    return Evidence.ANONYMOUS if is_visitor(user_id) else Evidence.DECLARED
