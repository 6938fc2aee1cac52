"""All errors, as a tree; each has a stable code.

    SharetallyError
    ├── Rejected                   the caller can fix it
    │   ├── InvalidRequest         invalid-request
    │   ├── UnsupportedPlatforms   unsupported-platforms
    │   ├── Unauthenticated        unauthenticated
    │   ├── Forbidden              forbidden
    │   ├── NotFound               not-found
    │   ├── MethodNotAllowed       method-not-allowed
    │   ├── Conflict               conflict
    │   ├── Gone                   gone
    │   ├── TooLarge               too-large
    │   ├── IdempotencyKeyReused   idempotency-key-reused
    │   ├── JobIdReused            job-id-reused
    │   ├── UpgradeRequired        upgrade-required
    │   ├── RateLimited            rate-limited
    │   └── PlatformUnreachable    platform-unavailable
    ├── Unavailable                unavailable: temporary; the change may have been made
    │   ├── QueueFull              … nothing was written
    │   ├── BrokerUnavailable      … seen only by relay, publisher and worker
    │   └── CommitOutcomeUnknown   … the reply to COMMIT was lost
    ├── TransientConflict          deadlock, lock timeout or unique violation: the batch is retried
    ├── DataRejected               the database rejects a value: the batch is split
    ├── MalformedMessage           a job that will never succeed: it is parked alone
    └── ConfigurationError         a setting with which the service cannot start

Only `web/problems.py` knows the HTTP status of each.
"""

from __future__ import annotations

from collections.abc import Sequence


class SharetallyError(Exception):
    """The root of all errors; `detail` is one sentence that a caller may read."""

    code = "internal"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Rejected(SharetallyError):
    """The request cannot be served as it is, and nothing of it was written."""

    code = "invalid-request"


class InvalidRequest(Rejected):
    """A field is missing, unknown or malformed; `invalid` holds (path, reason) pairs."""

    def __init__(self, *invalid: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {reason}" for path, reason in invalid))
        self.invalid = invalid


class UnsupportedPlatforms(Rejected):
    """At least one platform is not allowed; nothing of the request was written."""

    code = "unsupported-platforms"

    def __init__(self, unsupported: Sequence[str], supported: Sequence[str]) -> None:
        super().__init__(f"not allowed here: {', '.join(unsupported)}; allowed: {', '.join(supported)}")
        self.unsupported = tuple(unsupported)
        self.supported = tuple(supported)


class Unauthenticated(Rejected):
    """The request has no credential, or one that is not valid."""

    code = "unauthenticated"


class Forbidden(Rejected):
    """The caller is known, but is not allowed to do this."""

    code = "forbidden"


class NotFound(Rejected):
    """The object does not exist, or this caller may not see it."""

    code = "not-found"


class MethodNotAllowed(Rejected):
    """The path exists, but does not have this method."""

    code = "method-not-allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"allowed here: {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class Conflict(Rejected):
    """The current state does not allow the request."""

    code = "conflict"


class Gone(Rejected):
    """The object existed, but was deleted or has expired."""

    code = "gone"


class TooLarge(Rejected):
    """The body is longer than the endpoint accepts."""

    code = "too-large"


class IdempotencyKeyReused(Rejected):
    """The Idempotency-Key was already used with a different request."""

    code = "idempotency-key-reused"


class JobIdReused(Rejected):
    """The jobId was already used with a different adjustment."""

    code = "job-id-reused"


class UpgradeRequired(Rejected):
    """The path needs another protocol, `protocol`, to which the connection must be upgraded."""

    code = "upgrade-required"

    def __init__(self, protocol: str, detail: str) -> None:
        super().__init__(detail)
        self.protocol = protocol


class RateLimited(Rejected):
    """Too many writes: `limit` are allowed per window; `retry_after` and `window` are in seconds."""

    code = "rate-limited"

    def __init__(self, *, retry_after: int, limit: int, window: int) -> None:
        super().__init__(f"at most {limit} writes in {window} seconds; try again in {retry_after} s")
        self.retry_after = retry_after
        self.limit = limit
        self.window = window


class PlatformUnreachable(Rejected):
    """A platform does not answer, or says that it cannot at the moment; the detail says what to do."""

    code = "platform-unavailable"


class Unavailable(SharetallyError):
    """Something that the service needs is temporarily unavailable; `retry_after` is in seconds."""

    code = "unavailable"

    def __init__(self, detail: str = "temporarily unavailable", *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class QueueFull(Unavailable):
    """Too many requests are waiting already: this one was not accepted, and nothing was written."""

    def __init__(self) -> None:
        super().__init__("the queue is full; nothing was written")


class BrokerUnavailable(Unavailable):
    """The broker did not confirm; it may or may not have the message."""


class CommitOutcomeUnknown(Unavailable):
    """The connection was lost during COMMIT: only our audit rows tell whether it succeeded."""


class TransientConflict(SharetallyError):
    """The transaction was rolled back for a transient reason and can be retried at once."""

    code = "unavailable"


class DataRejected(SharetallyError):
    """The database rejected a value of the transaction (SQLSTATE 22 or 23)."""


class MalformedMessage(SharetallyError):
    """This job can never succeed; `detail` is the reason that is stored on its row."""


class ConfigurationError(SharetallyError):
    """The service cannot start with a setting; `detail` names the setting and how to fix it."""
