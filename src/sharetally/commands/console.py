"""`console`: prints sign-in links, lists the sessions that they opened, and ends sessions."""

from __future__ import annotations

import json
from uuid import UUID

import typer

from sharetally.commands.database import open_database
from sharetally.commands.plural import plural
from sharetally.domain.errors import ConfigurationError, InvalidRequest, NotFound
from sharetally.flow.sign_in import CODE_SECONDS, is_valid, new_sign_in_code
from sharetally.settings import Settings
from sharetally.web.auth.tokens import user_fault

DEFAULT_ADDRESS = "http://127.0.0.1:8000"  # where `serve` listens by default


async def print_link(settings: Settings, *, user: str, scope: str, ttl: int) -> None:
    """Create a sign-in code and print its link. The code comes after `#`: browsers never send that part to a server."""
    if fault := user_fault(user):
        raise ConfigurationError(f"--user: {fault}")
    base = settings.public_url or f"{DEFAULT_ADDRESS}{settings.root_path}"
    async with open_database(settings) as (database, clock):
        try:
            secret, code = new_sign_in_code(user, set(scope.split()), session_seconds=ttl, now=clock.now())
        except InvalidRequest as error:
            raise ConfigurationError("; ".join(f"--{name}: {reason}" for name, reason in error.invalid)) from None
        await database.sessions.add_code(code)
    typer.echo(f"{user}  ({' '.join(sorted(code.scopes))})", err=True)
    typer.echo(f"Open this link within {CODE_SECONDS // 60} minutes; it works once:", err=True)
    typer.echo(f"{base}/console/sign-in#{secret}")


async def list_sessions(settings: Settings, *, as_json: bool) -> None:
    """Print the sessions that are valid now."""
    async with open_database(settings) as (database, clock):
        sessions = [session for session in await database.sessions.all() if is_valid(session, clock.now())]
    rows = [
        {
            "id": str(session.id),
            "userId": session.user_id,
            "name": session.name,
            "scopes": sorted(session.scopes),
            "createdAt": session.created_at.isoformat(),
            "seenAt": session.seen_at.isoformat(),
            "expiresAt": session.expires_at.isoformat(),
        }
        for session in sessions
    ]
    if as_json:
        return typer.echo(json.dumps(rows))
    for session in sessions:
        name = f" ({session.name})" if session.name else ""
        times = f"last seen {session.seen_at.isoformat()}  expires {session.expires_at.isoformat()}"
        typer.echo(f"{session.id}  {session.user_id}{name}  {' '.join(sorted(session.scopes))}  {times}")


async def end_sessions(settings: Settings, session_id: UUID | None, *, user: str) -> None:
    """End one session, or all sessions and unused links of a user."""
    if (session_id is None) == (not user):
        raise ConfigurationError("give either the id of a session or --user; `sharetally console list` shows both")
    async with open_database(settings) as (database, _):
        if session_id is None:
            ended = await database.sessions.end_all_of(user)
        elif await database.sessions.end(session_id):
            ended = 1
        else:
            raise NotFound(f"there is no session {session_id}; `sharetally console list` shows the sessions")
    typer.echo(f"{plural(ended, 'session or link', 'sessions and links')} ended, with effect within 10 seconds")
