"""Visitors: issues tokens to people without an account, if ANONYMOUS_SHARES is on.

The id of a visitor is `visitor:<random>`. Their shares have the evidence `anonymous`, a cell of its own, so they are
never mistaken for shares that a user declared. Anybody can get a new token, so limits apply to the IP address: its
tokens are limited here, its writes in `app.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sharetally.ports import Clock
from sharetally.web.auth.issuing import TokenSigner
from sharetally.web.auth.quota import Quota, QuotaState
from sharetally.web.network import address_block

VISITOR_TTL = 180 * 86_400  # how long a visitor's token is valid, in seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitorToken:
    """The token of a new visitor, when it expires, and the remaining quota of the address."""

    token: str
    expires_at: datetime
    quota: QuotaState | None


class VisitorTokenIssuer:
    """Issues tokens to new visitors; `quota` limits them by address."""

    def __init__(self, *, signer: TokenSigner, quota: Quota, clock: Clock) -> None:
        self._signer = signer
        self._quota = quota
        self._clock = clock

    async def issue(self, address: str) -> VisitorToken:
        """Issue a token to a new visitor; raises `RateLimited`."""
        state = await self._quota.spend(address_block(address))
        until = self._clock.now() + timedelta(seconds=VISITOR_TTL)
        return VisitorToken(token=self._signer.sign_visitor(ttl=VISITOR_TTL), expires_at=until, quota=state)
