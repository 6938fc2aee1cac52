"""API keys: what there is, a new one, an end to one. What `sharetally keys` does, over HTTP."""

from __future__ import annotations

from typing import Any

import structlog

from sharetally.domain.caller import SCOPES
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.flow.retry import retry_transaction
from sharetally.ports import ApiKey
from sharetally.web.auth.credentials import new_key
from sharetally.web.endpoint import Request
from sharetally.web.endpoints.pagination import split_page, starting_after
from sharetally.web.responses import Response, json_response, no_content
from sharetally.web.schemas.operation import Key, Keys, NewKey
from sharetally.web.services import Services, id_from_path

_NO_STORE = ("cache-control", "no-store")
log = structlog.get_logger("sharetally.keys")


async def list_keys(services: Services, request: Request) -> Response:
    """Newest first; there are few, so a page is cut from all of them."""
    after, size = starting_after(request.query), request.query.pageSize
    found = [key for key in await services.keys.all() if after is None or key.id < after]
    items, following = split_page(found[: size + 1], size)
    return json_response(200, Keys(items=[Key(**_key_fields(key)) for key in items], next=following), _NO_STORE)


async def read_key(services: Services, request: Request) -> Response:
    """One key."""
    key_id = id_from_path(request)
    found = await services.keys.by_id(key_id)
    if found is None:
        raise NotFound(f"no key {key_id}")
    return json_response(200, Key(**_key_fields(found)), _NO_STORE)


async def create(services: Services, request: Request) -> Response:
    """A new key, whose text is in this answer alone."""
    scopes = set(request.body.scopes)
    if len(scopes) < len(request.body.scopes):
        raise InvalidRequest(("scopes", "must be each there once"))
    secret, key = new_key(request.body.name, scopes, clock=services.clock)
    await retry_transaction(lambda: services.keys.add(key))
    log.warning(
        "an API key was made", key=str(key.id), name=key.name, scopes=sorted(key.scopes), by=request.caller.actor
    )
    location = ("location", f"{services.url_policy.root_path}/keys/{key.id}")
    return json_response(201, NewKey(key=secret, **_key_fields(key)), location, _NO_STORE)


async def revoke(services: Services, request: Request) -> Response:
    """An end to it; it stops within ten seconds. Repeating changes nothing."""
    key_id = id_from_path(request)
    if not await retry_transaction(lambda: services.keys.revoke(key_id)):
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
