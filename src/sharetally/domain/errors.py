"""Everything that can go wrong, as a tree with a stable code each.

    SharetallyError
    ├── Rejected                   the caller can mend it
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
    │   └── RateLimited            rate-limited
    ├── Unavailable                unavailable: it passes; the effect may have happened
    │   ├── QueueFull              … nothing was written
    │   ├── BrokerUnavailable      … only ever seen by relay, publisher and worker
    │   └── CommitOutcomeUnknown   … the reply to COMMIT was lost
    ├── TransientConflict          deadlock, lock time-out, unique violation: the batch runs again
    ├── DataRejected               the database refuses a value: the batch is split
    ├── MalformedMessage           a job that will never succeed: it is parked alone
    └── ConfigurationError         a setting that stops the start

Which HTTP status each has is known in `web/problems.py` alone.
"""

from __future__ import annotations

from collections.abc import Sequence


class SharetallyError(Exception):
    """The root; `detail` is one sentence that a caller may read."""

    code = "internal"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Rejected(SharetallyError):
    """The request cannot be served as it stands, and nothing of it was written."""

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
    """No credential, or one that does not hold."""

    code = "unauthenticated"


class Forbidden(Rejected):
    """Known who asks, and they may not."""

    code = "forbidden"


class NotFound(Rejected):
    """There is no such thing, or not for this caller."""

    code = "not-found"


class MethodNotAllowed(Rejected):
    """The path exists, the method does not."""

    code = "method-not-allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"allowed here: {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class Conflict(Rejected):
    """What stands now does not allow the request."""

    code = "conflict"


class Gone(Rejected):
    """It existed, and was deleted or has expired."""

    code = "gone"


class TooLarge(Rejected):
    """The body is longer than the route takes."""

    code = "too-large"


class IdempotencyKeyReused(Rejected):
    """The same Idempotency-Key came with another request."""

    code = "idempotency-key-reused"


class JobIdReused(Rejected):
    """The same jobId came with another adjustment."""

    code = "job-id-reused"


class UpgradeRequired(Rejected):
    """The path speaks another protocol, `protocol`, to which the connection must be upgraded."""

    code = "upgrade-required"

    def __init__(self, protocol: str, detail: str) -> None:
        super().__init__(detail)
        self.protocol = protocol


class RateLimited(Rejected):
    """Too many writes; `retry_after` and `window` in seconds, `limit` writes a window."""

    code = "rate-limited"

    def __init__(self, *, retry_after: int, limit: int, window: int) -> None:
        super().__init__(f"at most {limit} writes in {window} seconds; try again in {retry_after} s")
        self.retry_after = retry_after
        self.limit = limit
        self.window = window


class Unavailable(SharetallyError):
    """Something we need is away for now; `retry_after` in seconds."""

    code = "unavailable"

    def __init__(self, detail: str = "temporarily unavailable", *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class QueueFull(Unavailable):
    """Too many requests wait already: this one was not taken, and nothing was written."""

    def __init__(self) -> None:
        super().__init__("the queue is full; nothing was written")


class BrokerUnavailable(Unavailable):
    """The broker did not confirm; the message may or may not be there."""


class CommitOutcomeUnknown(Unavailable):
    """The connection died during COMMIT: only a look for our audit rows can tell."""


class TransientConflict(SharetallyError):
    """The transaction was rolled back for a reason that passes at once."""

    code = "unavailable"


class DataRejected(SharetallyError):
    """The database refused a value of the transaction (SQLSTATE 22 or 23)."""


class MalformedMessage(SharetallyError):
    """This job can never succeed; `detail` is the reason that is written on its row."""


class ConfigurationError(SharetallyError):
    """A setting that stops the start; `detail` names the setting and the mend."""
