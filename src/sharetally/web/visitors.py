"""Visitors without an account: a token that lets them share and take back, and nothing else.

Only with ANONYMOUS_SHARES. A visitor is `visitor:<random>`; what they share has the evidence `anonymous`, a cell of
its own, so that it never passes for what a user declared. New names are cheap to whoever asks for them, so the
address is what is limited: its tokens here, its writes in `app.py`.
"""

from __future__ import annotations

from datetime import timedelta

from sharetally.domain.errors import NotFound
from sharetally.ports import Clock
from sharetally.web.answers import Answer, json_answer
from sharetally.web.endpoint import Asked
from sharetally.web.network import block_of, client_address
from sharetally.web.parts import Parts
from sharetally.web.quota import Quota, rate_limit_fields
from sharetally.web.schemas_trail import Token
from sharetally.web.tokens import VISIT_SCOPES, Signer

TTL = 180 * 86_400  # seconds that a visitor is known by


class Visitors:
    """Gives names to those who have none; `quota` counts tokens by address."""

    def __init__(self, *, signer: Signer, quota: Quota, clock: Clock) -> None:
        self._signer = signer
        self._quota = quota
        self._clock = clock

    async def answer(self, address: str) -> Answer:
        """A new visitor's token; raises `RateLimited`."""
        state = await self._quota.spend(block_of(address))
        until = self._clock.now() + timedelta(seconds=TTL)
        body = Token(token=self._signer.sign_visitor(ttl=TTL), scope=" ".join(VISIT_SCOPES), expiresAt=until)
        return json_answer(200, body, ("cache-control", "no-store"), *(rate_limit_fields(state) if state else ()))


async def token(parts: Parts, asked: Asked) -> Answer:
    """A token for a visitor; `NotFound` where visitors are not recorded."""
    if parts.visitors is None:
        raise NotFound("shares of visitors without an account are not recorded here (ANONYMOUS_SHARES is off)")
    return await parts.visitors.answer(client_address(asked.scope))
