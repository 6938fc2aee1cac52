"""Handlers of API keys: list, read, create and revoke them, as `sharetally keys` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from sharetally.domain.caller import SCOPES
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.flow.retry import retry_transaction
from sharetally.ports import ApiKey, Clock, KeyStore
from sharetally.web.api.keys.schemas import Key, KeyBody, Keys, NewKey
from sharetally.web.auth.api_keys import new_key
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request
from sharetally.web.paging import PageQuery, split_page, starting_after
from sharetally.web.parameters import IdPath
from sharetally.web.responses import Response, json_response, no_content

_NO_STORE = ("cache-control", "no-store")
log = structlog.get_logger("sharetally.keys")


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeys:
    """The API keys."""

    store: KeyStore
    clock: Clock


async def list_keys(keys: ApiKeys, request: Request[NoPath, PageQuery, NoBody]) -> Response:
    """Newest first; there are few keys, so a page is a part of the whole list."""
    after, size = starting_after(request.query), request.query.pageSize
    found = [key for key in await keys.store.all() if after is None or key.id < after]
    items, following = split_page(found[: size + 1], size)
    return json_response(200, Keys(items=[Key(**_key_fields(key)) for key in items], next=following), _NO_STORE)


async def read_key(keys: ApiKeys, request: Request[IdPath, NoQuery, NoBody]) -> Response:
    """One key."""
    key_id = request.path.uuid
    found = await keys.store.by_id(key_id)
    if found is None:
        raise NotFound(f"no key {key_id}")
    return json_response(200, Key(**_key_fields(found)), _NO_STORE)


async def create(keys: ApiKeys, request: Request[NoPath, NoQuery, KeyBody]) -> Response:
    """Create a key, whose text only this response contains."""
    scopes = set(request.body.scopes)
    if len(scopes) < len(request.body.scopes):
        raise InvalidRequest(("scopes", "must not contain a scope twice"))
    secret, key = new_key(request.body.name, scopes, clock=keys.clock)
    await retry_transaction(lambda: keys.store.add(key))
    log.warning(
        "an API key was made", key=str(key.id), name=key.name, scopes=sorted(key.scopes), by=request.caller.actor
    )
    location = ("location", f"{request.root_path}/keys/{key.id}")
    return json_response(201, NewKey(key=secret, **_key_fields(key)), location, _NO_STORE)


async def revoke(keys: ApiKeys, request: Request[IdPath, NoQuery, NoBody]) -> Response:
    """Revoke a key, which stops working within ten seconds. Repeating changes nothing."""
    key_id = request.path.uuid
    if not await retry_transaction(lambda: keys.store.revoke(key_id)):
        raise NotFound(f"no key {key_id}")
    log.warning("an API key was revoked", key=str(key_id), by=request.caller.actor)
    return no_content()


def _key_fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "name": key.name,
        "scopes": [scope for scope in SCOPES if scope in key.scopes],
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked_at,
    }
