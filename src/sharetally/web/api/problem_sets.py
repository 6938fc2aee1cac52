"""The error codes that all writes have in common."""

IDEMPOTENT_WRITE = ("idempotency-key-reused", "rate-limited", "unavailable")
WRITE = ("invalid-request", "too-large", *IDEMPOTENT_WRITE)
