"""Signing in to the console and out again, by a one-time link."""

from __future__ import annotations

from typing import get_args

import structlog
from msgspec import UNSET

from sharetally.ports import Session
from sharetally.web.answers import Answer, json_answer
from sharetally.web.endpoint import Asked
from sharetally.web.parts import Parts
from sharetally.web.schemas.console import ConsoleOptions, ConsoleScope, ConsoleSession, SignInBody

log = structlog.get_logger("sharetally.console")
_NOT_STORED = ("cache-control", "no-store")


async def sign_in(parts: Parts, asked: Asked) -> Answer:
    """Use a code up; its session comes as a cookie."""
    body: SignInBody = asked.body
    session, cookie = await parts.sessions.redeem(asked.scope, body.code)
    log.info("signed in to the console", user=session.user_id, scopes=sorted(session.scopes), by="link")
    return json_answer(200, _shown(session), cookie, _NOT_STORED)


async def signed_in(parts: Parts, asked: Asked) -> Answer:
    """Who is signed in."""
    return json_answer(200, _shown(await parts.sessions.of(asked.scope)), _NOT_STORED)


async def sign_out(parts: Parts, asked: Asked) -> Answer:
    """End the session, here and on every process."""
    return Answer(status=204, headers=(await parts.sessions.end(asked.scope), _NOT_STORED))


async def options(parts: Parts, asked: Asked) -> Answer:
    """How one may sign in."""
    return json_answer(200, ConsoleOptions(oidc=parts.oidc, publicUrl=parts.places.public_url))


def _shown(session: Session) -> ConsoleSession:
    return ConsoleSession(
        userId=session.user_id,
        scopes=[scope for scope in get_args(ConsoleScope) if scope in session.scopes],
        expiresAt=session.expires_at,
        name=session.name or UNSET,
    )
