"""`accounts`: lists connected accounts, seals their tokens with the newest key, and makes keys for Bluesky."""

from __future__ import annotations

import json
from typing import Any

import typer

from sharetally.adapters.platforms.bluesky.oauth_client import new_client_key
from sharetally.commands.database import open_database
from sharetally.commands.plural import plural
from sharetally.domain.errors import ConfigurationError
from sharetally.flow.accounts.keeping import BATCH
from sharetally.flow.accounts.keeping import rotate_keys as rotate
from sharetally.ports import StoredAccount
from sharetally.settings import Settings
from sharetally.wiring_accounts import create_sealing


def _account_json(stored: StoredAccount, key_id: str) -> dict[str, Any]:
    account = stored.account
    return {
        "id": str(account.id),
        "userId": account.user_id,
        "platform": account.platform,
        "server": account.server or None,
        "handle": account.handle,
        "externalId": account.external_id,
        "label": account.label,
        "isDefault": account.is_default,
        "status": account.status.value,
        "expiresAt": account.expires_at.isoformat() if account.expires_at else None,
        "key": key_id,
    }


async def list_accounts(settings: Settings, *, as_json: bool) -> None:
    """Print all accounts, oldest first, with the id of the key that their tokens are sealed with."""
    rows: list[dict[str, Any]] = []
    async with open_database(settings) as (database, _):
        after = None
        while page := await database.accounts.page(after=after, limit=BATCH):
            rows += [_account_json(each, each.sealed.split(".")[1]) for each in page]
            after = page[-1].account.id
    if as_json:
        return typer.echo(json.dumps(rows))
    for row in rows:
        default = "  default" if row["isDefault"] else ""
        about = f"{row['id']}  {row['userId']}  {row['platform']}  {row['handle']}  {row['status']}"
        typer.echo(f"{about}  key {row['key']}{default}")


def print_client_key() -> None:
    """Print a new key for BLUESKY_CLIENT_KEYS, alone on one line; it is kept nowhere."""
    typer.echo(new_client_key())


async def rotate_keys(settings: Settings) -> None:
    """Seal every account's tokens with the newest key, while the service runs."""
    sealing = create_sealing(settings)
    if sealing is None:
        raise ConfigurationError("TOKEN_KEYS: is not set, so no tokens are stored")
    newest = sealing.vault.newest_key
    async with open_database(settings) as (database, _):
        done = await rotate(database.accounts, sealing)
    typer.echo(
        f"{plural(done.resealed, 'account')} sealed with the key '{newest}', {done.unchanged} had it already; "
        "older keys can be removed from TOKEN_KEYS ten minutes from now"
    )
