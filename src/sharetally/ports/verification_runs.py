"""The store of verification runs: the last full verification, and the lease that lets one process run at a time.

All processes share it. Every method may raise `Unavailable`; methods that write may also raise `TransientConflict`,
after which the call can be repeated.
"""

from __future__ import annotations

from typing import Protocol

from sharetally.domain.proof import VerificationResult, VerificationRun


class VerificationRunStore(Protocol):
    """Full verifications of all content items."""

    async def last(self) -> VerificationRun | None:
        """The last full verification; None if there was none yet."""
        ...

    async def record(self, result: VerificationResult, seconds: float) -> VerificationRun:
        """Store a full verification that has just ended and took so many seconds, in place of the last one."""
        ...

    async def extend_lease(self, seconds: float, *, renew: bool = False) -> bool:
        """Hold the lease for so many seconds from now; False if another process holds it.

        The holder passes `renew`, which always succeeds; 0 seconds give the lease back.
        """
        ...
