"""`token` and `keys`: tokens for people, API keys for servers."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import typer

from sharetally.commands.database import open_database
from sharetally.domain.caller import SCOPES
from sharetally.domain.content import id_fault
from sharetally.domain.errors import ConfigurationError, InvalidRequest, NotFound
from sharetally.flow.retry import retry_transaction
from sharetally.settings import Settings
from sharetally.web.auth.api_keys import new_key
from sharetally.wiring_http import issue_token


def token(settings: Settings, *, user: str, scope: str, ttl: int) -> str:
    """A token signed with the configured secret."""
    scopes = frozenset(scope.split())
    if not scopes or not scopes <= set(SCOPES) - {"act-as"}:
        allowed = ", ".join(each for each in SCOPES if each != "act-as")
        raise ConfigurationError(f"--scope: must be one or more of {allowed}, separated by spaces")
    if fault := id_fault(user):
        raise InvalidRequest(("--user", fault))
    return issue_token(settings, user=user, scopes=scopes, ttl=ttl)


async def create_key(settings: Settings, name: str, scope: str) -> None:
    """Create a key, and print it this one time."""
    async with open_database(settings) as (database, clock):
        secret, key = new_key(name, set(scope.split()), clock=clock)
        await retry_transaction(lambda: database.keys.add(key))
    typer.echo(f"{key.id}  {name}  ({' '.join(sorted(key.scopes))})", err=True)
    typer.echo("This key is shown only once:", err=True)
    typer.echo(secret)


async def list_keys(settings: Settings, *, as_json: bool) -> None:
    """Print the keys, newest first."""
    async with open_database(settings) as (database, _):
        keys = await database.keys.all()
    rows: list[dict[str, Any]] = [
        {
            "id": str(key.id),
            "name": key.name,
            "scopes": sorted(key.scopes),
            "createdAt": key.created_at.isoformat(),
            "lastUsedAt": key.last_used_at.isoformat() if key.last_used_at else None,
            "revokedAt": key.revoked_at.isoformat() if key.revoked_at else None,
        }
        for key in keys
    ]
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        last_use = f"used {row['lastUsedAt']}" if row["lastUsedAt"] else "never used"
        state = f"revoked {row['revokedAt']}" if row["revokedAt"] else "active"
        typer.echo(f"{row['id']}  {row['name']}  {' '.join(row['scopes'])}  {row['createdAt']}  {last_use}  {state}")


async def revoke_key(settings: Settings, key_id: UUID) -> None:
    """Revoke a key."""
    async with open_database(settings) as (database, _):
        if not await database.keys.revoke(key_id):
            raise NotFound(f"there is no key {key_id}; `sharetally keys list` shows the keys")
    typer.echo("revoked; the key stops working within 10 seconds")
