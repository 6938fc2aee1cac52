"""API keys: what there is, a new one, an end to one. What `sharetally keys` does, over HTTP."""

from __future__ import annotations

from typing import Any

import structlog

from sharetally.domain.caller import SCOPES
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.flow.again import again
from sharetally.ports import ApiKey
from sharetally.web.answers import Answer, json_answer, no_content
from sharetally.web.endpoint import Asked
from sharetally.web.endpoints.paging import page_of, starting_after
from sharetally.web.parts import Parts, path_id
from sharetally.web.schemas.operation import Key, Keys, NewKey
from sharetally.web.who.identity import new_key

_FRESH = ("cache-control", "no-store")
log = structlog.get_logger("sharetally.keys")


async def listing(parts: Parts, asked: Asked) -> Answer:
    """Newest first; there are few, so a page is cut from all of them."""
    after, size = starting_after(asked.query), asked.query.pageSize
    found = [key for key in await parts.keys.keys() if after is None or key.id < after]
    items, following = page_of(found[: size + 1], size)
    return json_answer(200, Keys(items=[Key(**_shown(key)) for key in items], next=following), _FRESH)


async def read(parts: Parts, asked: Asked) -> Answer:
    """One key."""
    key_id = path_id(asked)
    found = await parts.keys.key(key_id)
    if found is None:
        raise NotFound(f"no key {key_id}")
    return json_answer(200, Key(**_shown(found)), _FRESH)


async def create(parts: Parts, asked: Asked) -> Answer:
    """A new key, whose text is in this answer alone."""
    scopes = set(asked.body.scopes)
    if len(scopes) < len(asked.body.scopes):
        raise InvalidRequest(("scopes", "must be each there once"))
    plain, key = new_key(asked.body.name, scopes, clock=parts.clock)
    await again(lambda: parts.keys.add_key(key))
    log.warning("an API key was made", key=str(key.id), name=key.name, scopes=sorted(key.scopes), by=asked.signed.actor)
    location = ("location", f"{parts.places.root_path}/keys/{key.id}")
    return json_answer(201, NewKey(key=plain, **_shown(key)), location, _FRESH)


async def revoke(parts: Parts, asked: Asked) -> Answer:
    """An end to it; it stops within ten seconds. Repeating changes nothing."""
    key_id = path_id(asked)
    if not await again(lambda: parts.keys.revoke_key(key_id)):
        raise NotFound(f"no key {key_id}")
    log.warning("an API key was revoked", key=str(key_id), by=asked.signed.actor)
    return no_content()


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "name": key.name,
        "scopes": [scope for scope in SCOPES if scope in key.scopes],
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked_at,
    }
