"""Tokens: for a user of the caller's own, and for visitors without an account."""

from __future__ import annotations

from sharetally.domain.content import id_fault
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.web.answers import Answer, json_answer
from sharetally.web.endpoint import Asked
from sharetally.web.network import client_address
from sharetally.web.parts import Parts
from sharetally.web.schemas.tokens import Token
from sharetally.web.who.quota import rate_limit_fields
from sharetally.web.who.tokens import VISIT_SCOPES

_NO_STORE = ("cache-control", "no-store")


async def token(parts: Parts, asked: Asked) -> Answer:
    """A short token for a user of the caller's own."""
    body = asked.body
    if fault := id_fault(body.userId):
        raise InvalidRequest(("userId", fault))
    issued = parts.identity.issue_token(asked.signed, user_id=body.userId, scope=body.scope, ttl=body.ttl)
    shown = Token(token=issued.token, scope=" ".join(sorted(issued.scopes)), expiresAt=issued.expires_at)
    return json_answer(200, shown, _NO_STORE)


async def visitor(parts: Parts, asked: Asked) -> Answer:
    """A token for a visitor; `NotFound` where visitors are not recorded."""
    if parts.visitors is None:
        raise NotFound("shares of visitors without an account are not recorded here (ANONYMOUS_SHARES is off)")
    visit = await parts.visitors.named(client_address(asked.scope))
    shown = Token(token=visit.token, scope=" ".join(VISIT_SCOPES), expiresAt=visit.expires_at)
    return json_answer(200, shown, _NO_STORE, *(rate_limit_fields(visit.quota) if visit.quota else ()))
