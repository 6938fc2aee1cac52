"""The store of responses to requests with an Idempotency-Key.

The transaction of `ports/ledger` reads and writes a response together with what the request changed; this store only
deletes old ones.
"""

from __future__ import annotations

from typing import Protocol


class ResponseStore(Protocol):
    """Stored responses by Idempotency-Key."""

    async def purge(self, older_than_seconds: float, *, at_most: int) -> int:
        """Delete at most `at_most` of the oldest responses that are older than this; return how many were deleted.

        The caller repeats it until that is 0. Concurrent calls delete different rows. `Unavailable` or
        `TransientConflict` mean that none was deleted.
        """
        ...
