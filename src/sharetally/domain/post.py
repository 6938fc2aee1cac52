"""A post: one attempt to publish a share on a platform from the user's own account.

A post has its own life beside its record (a declared share keeps counting while its post is pending). At most one post
of a record is open. `unknown` ends only by a look at the platform or by a person's decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

from sharetally.domain.share import RecordKey
from sharetally.domain.spending import Charge

PLACEHOLDER = "{url}"


class PostStatus(StrEnum):
    """The status of a post; the first three and `unknown` are open."""

    PENDING = "pending"
    SENDING = "sending"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


OVERDUE_CODE = "overdue"
OPEN = frozenset({PostStatus.PENDING, PostStatus.SENDING, PostStatus.UNKNOWN})


class Post(NamedTuple):
    """One post of one record; `number` counts the record's posts.

    `text` contains `url`, the post's own short address, once. `prepared` is what the platform's `prepare` returned;
    `attempted_at` is when the first attempt was stored, None while no byte can have left. `scheduled_at` is the time
    that the user has chosen. With `cancel_requested` the post is deleted at the platform should it appear there.
    `charge` is what its attempt has reserved; it stays unless it is certain that the post is not there.
    """

    id: UUID
    record_id: UUID
    key: RecordKey
    account_id: UUID
    number: int
    status: PostStatus
    text: str
    url: str
    created_at: datetime
    request_id: str = ""
    prepared: Mapping[str, str] | None = None
    attempted_at: datetime | None = None
    scheduled_at: datetime | None = None
    cancel_requested: bool = False
    external_id: str | None = None
    external_url: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    finished_at: datetime | None = None
    charge: Charge | None = None

    @property
    def open(self) -> bool:
        """Whether it may still be published, or may have been."""
        return self.status in OPEN

    @property
    def held(self) -> bool:
        """Whether it was due while no worker ran, so that it has to be looked for first."""
        return self.status is PostStatus.PENDING and self.error_code == OVERDUE_CODE

    @property
    def is_to_be_deleted(self) -> bool:
        """Whether it is there, and its user does not want it any more."""
        return self.status is PostStatus.SUCCESS and self.cancel_requested

    def draft(self) -> Draft:
        """What a publisher gets."""
        return Draft(
            id=self.id,
            text=self.text,
            url=self.url,
            created_at=self.created_at,
            prepared=self.prepared or {},
            repeated=self.attempted_at is not None,
        )


class PauseScope(StrEnum):
    """How much has to wait: one account, everything this application sends to the platform, or the platform.

    `PLATFORM` is for a version of the platform's API that has ended: it holds for those who use this version.
    """

    ACCOUNT = "account"
    APPLICATION = "application"
    PLATFORM = "platform"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What is to be published, frozen when the post was requested.

    `id` is the post's own id (UUIDv7), from which idempotency keys and record keys are derived. `text` contains `url`
    exactly once; `url` is the post's own short address, by which a look recognises it. `prepared` is what the
    platform's `prepare` returned, committed before the first byte of `publish` leaves. `repeated` says that an earlier
    `publish` with the same `prepared` may have reached the platform.
    """

    id: UUID
    text: str
    url: str
    created_at: datetime
    prepared: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False

    def first(self) -> Draft:
        """The same, before anything can have reached the platform."""
        return replace(self, repeated=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallOutcome:
    """How a call to a platform ended. `cost` is what it really cost; None if it is what the platform's `costs` say."""

    cost: int | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted(CallOutcome):
    """The post is there."""

    external_id: str
    external_url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TryLater(CallOutcome):
    """Nothing was published. `at` None lets the backoff decide; `pause` says what else has to wait until then."""

    reason: str
    at: datetime | None = None
    pause: PauseScope | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PostRejected(CallOutcome):
    """The platform refuses this post for good: a stable code, and a message that says what the person can do."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessDenied(CallOutcome):
    """The platform no longer accepts the access token: read the vault again, refresh, or ask the user to reconnect."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeUnknown:
    """The post may have been published: look before anything is sent again."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NotThere(CallOutcome):
    """A look has found that the post does not exist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CannotTell(CallOutcome):
    """A look has found nothing certain."""

    reason: str


PublishOutcome: TypeAlias = Posted | TryLater | PostRejected | AccessDenied | OutcomeUnknown
LookOutcome: TypeAlias = Posted | NotThere | CannotTell | TryLater | AccessDenied


def compose(text: str, url: str) -> str:
    """The text with the address where `{url}` stands, or at the end: it is in there exactly once."""
    before, placeholder, after = text.partition(PLACEHOLDER)
    if placeholder:
        return before + url + after.replace(PLACEHOLDER, "")
    return f"{text.rstrip()} {url}" if text.strip() else url
