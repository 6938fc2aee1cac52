"""Tokens: for a user of the caller's own, and for visitors without an account."""

from __future__ import annotations

from sharetally.domain.content import id_fault
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.web.auth.quota import rate_limit_fields
from sharetally.web.auth.tokens import VISITOR_SCOPES
from sharetally.web.endpoint import Request
from sharetally.web.network import client_address
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.tokens import Token
from sharetally.web.services import Services

_NO_STORE = ("cache-control", "no-store")


async def token(services: Services, request: Request) -> Response:
    """A short token for a user of the caller's own."""
    body = request.body
    if fault := id_fault(body.userId):
        raise InvalidRequest(("userId", fault))
    issued = services.credentials.issue_token(request.caller, user_id=body.userId, scope=body.scope, ttl=body.ttl)
    shown = Token(token=issued.token, scope=" ".join(sorted(issued.scopes)), expiresAt=issued.expires_at)
    return json_response(200, shown, _NO_STORE)


async def visitor(services: Services, request: Request) -> Response:
    """A token for a visitor; `NotFound` where visitors are not recorded."""
    if services.visitor_tokens is None:
        raise NotFound("shares of visitors without an account are not recorded here (ANONYMOUS_SHARES is off)")
    issued = await services.visitor_tokens.issue(client_address(request.scope))
    shown = Token(token=issued.token, scope=" ".join(VISITOR_SCOPES), expiresAt=issued.expires_at)
    return json_response(200, shown, _NO_STORE, *(rate_limit_fields(issued.quota) if issued.quota else ()))
