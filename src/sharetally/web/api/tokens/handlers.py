"""Handlers that issue tokens: for one of the caller's own users, and for visitors without an account."""

from __future__ import annotations

from dataclasses import dataclass

from sharetally.domain.content import id_fault
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.web.api.tokens.schemas import Token, TokenBody
from sharetally.web.auth.issuing import TokenIssuer
from sharetally.web.auth.quota import rate_limit_fields
from sharetally.web.auth.tokens import VISITOR_SCOPES
from sharetally.web.auth.visitors import VisitorTokenIssuer
from sharetally.web.endpoint import AnyQuery, NoBody, NoPath, NoQuery, Request
from sharetally.web.network import client_address
from sharetally.web.responses import Response, json_response

_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIssuers:
    """Issue tokens; `visitors` is None if shares of visitors are not recorded."""

    users: TokenIssuer
    visitors: VisitorTokenIssuer | None


async def token(issuers: TokenIssuers, request: Request[NoPath, NoQuery, TokenBody]) -> Response:
    """A short-lived token for one of the caller's own users."""
    body = request.body
    if fault := id_fault(body.userId):
        raise InvalidRequest(("userId", fault))
    issued = issuers.users.issue(request.caller, user_id=body.userId, scope=body.scope, ttl=body.ttl)
    shown = Token(token=issued.token, scope=" ".join(sorted(issued.scopes)), expiresAt=issued.expires_at)
    return json_response(200, shown, _NO_STORE)


async def visitor(issuers: TokenIssuers, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """A token for a visitor; `NotFound` where visitors are not recorded."""
    if issuers.visitors is None:
        raise NotFound("shares of visitors without an account are not recorded here (ANONYMOUS_SHARES is off)")
    issued = await issuers.visitors.issue(client_address(request.scope))
    shown = Token(token=issued.token, scope=" ".join(VISITOR_SCOPES), expiresAt=issued.expires_at)
    return json_response(200, shown, _NO_STORE, *(rate_limit_fields(issued.quota) if issued.quota else ()))
