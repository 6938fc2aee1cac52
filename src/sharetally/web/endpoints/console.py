"""Signing in to the console and out again, by a one-time link."""

from __future__ import annotations

from typing import get_args

import structlog
from msgspec import UNSET

from sharetally.ports import Session
from sharetally.web.endpoint import Request
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.console import ConsoleOptions, ConsoleScope, ConsoleSession, SignInBody
from sharetally.web.services import Services

log = structlog.get_logger("sharetally.console")
_NO_STORE = ("cache-control", "no-store")


async def sign_in(services: Services, request: Request) -> Response:
    """Use a code up; its session comes as a cookie."""
    body: SignInBody = request.body
    session, cookie = await services.sessions.redeem(request.scope, body.code)
    log.info("signed in to the console", user=session.user_id, scopes=sorted(session.scopes), by="link")
    return json_response(200, _session_body(session), cookie, _NO_STORE)


async def current_session(services: Services, request: Request) -> Response:
    """Who is signed in."""
    return json_response(200, _session_body(await services.sessions.require(request.scope)), _NO_STORE)


async def sign_out(services: Services, request: Request) -> Response:
    """End the session, here and on every process."""
    return Response(status=204, headers=(await services.sessions.end(request.scope), _NO_STORE))


async def options(services: Services, request: Request) -> Response:
    """How one may sign in."""
    return json_response(200, ConsoleOptions(oidc=services.oidc_enabled, publicUrl=services.url_policy.public_url))


def _session_body(session: Session) -> ConsoleSession:
    return ConsoleSession(
        userId=session.user_id,
        scopes=[scope for scope in get_args(ConsoleScope) if scope in session.scopes],
        expiresAt=session.expires_at,
        name=session.name or UNSET,
    )
