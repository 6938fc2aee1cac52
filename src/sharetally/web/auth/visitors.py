"""Visitors without an account: names for those who have none.

Only with ANONYMOUS_SHARES. A visitor is `visitor:<random>`; what they share has the evidence `anonymous`, a cell of
its own, so that it never passes for what a user declared. New names are cheap to whoever asks for them, so the
address is what is limited: its tokens here, its writes in `app.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sharetally.ports import Clock
from sharetally.web.auth.quota import Quota, QuotaState
from sharetally.web.auth.tokens import TokenSigner
from sharetally.web.network import address_block

VISITOR_TTL = 180 * 86_400  # seconds that a visitor is known by


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitorToken:
    """A new visitor's token, until when it holds, and what is left to the address."""

    token: str
    expires_at: datetime
    quota: QuotaState | None


class VisitorTokenIssuer:
    """Names new visitors; `quota` counts them by address."""

    def __init__(self, *, signer: TokenSigner, quota: Quota, clock: Clock) -> None:
        self._signer = signer
        self._quota = quota
        self._clock = clock

    async def issue(self, address: str) -> VisitorToken:
        """A new visitor; raises `RateLimited`."""
        state = await self._quota.spend(address_block(address))
        until = self._clock.now() + timedelta(seconds=VISITOR_TTL)
        return VisitorToken(token=self._signer.sign_visitor(ttl=VISITOR_TTL), expires_at=until, quota=state)
