"""Handlers by which people sign in to the console with a one-time link, and sign out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import structlog
from msgspec import UNSET

from sharetally.ports import Session
from sharetally.web.api.console.schemas import ConsoleOptions, ConsoleScope, ConsoleSession, SignInBody
from sharetally.web.auth.sessions import Sessions
from sharetally.web.endpoint import AnyQuery, NoBody, NoPath, NoQuery, Request
from sharetally.web.responses import Response, json_response

log = structlog.get_logger("sharetally.console")
_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleSignIn:
    """The sessions of the console, and the ways to sign in."""

    sessions: Sessions
    oidc_enabled: bool
    public_url: str | None


async def sign_in(sign_ins: ConsoleSignIn, request: Request[NoPath, AnyQuery, SignInBody]) -> Response:
    """Redeem a code; the session comes as a cookie."""
    session, cookie = await sign_ins.sessions.redeem(request.scope, request.body.code)
    log.info("signed in to the console", user=session.user_id, scopes=sorted(session.scopes), by="link")
    return json_response(200, _session_body(session), cookie, _NO_STORE)


async def current_session(sign_ins: ConsoleSignIn, request: Request[NoPath, NoQuery, NoBody]) -> Response:
    """Who is signed in."""
    return json_response(200, _session_body(await sign_ins.sessions.require(request.scope)), _NO_STORE)


async def sign_out(sign_ins: ConsoleSignIn, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """End the session, here and on every process."""
    return Response(status=204, headers=(await sign_ins.sessions.end(request.scope), _NO_STORE))


async def options(sign_ins: ConsoleSignIn, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
    """The ways to sign in."""
    return json_response(200, ConsoleOptions(oidc=sign_ins.oidc_enabled, publicUrl=sign_ins.public_url))


def _session_body(session: Session) -> ConsoleSession:
    return ConsoleSession(
        userId=session.user_id,
        scopes=[scope for scope in get_args(ConsoleScope) if scope in session.scopes],
        expiresAt=session.expires_at,
        name=session.name or UNSET,
    )
