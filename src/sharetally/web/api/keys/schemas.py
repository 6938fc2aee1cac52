"""The bodies of API keys."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sharetally.web.fields import LABEL, RequestModel, ResponseModel, UtcDateTime, Uuid

Scope = Literal["shares", "audit", "analytics", "admin", "act-as"]


class Key(ResponseModel, frozen=True):
    """An API key; the key itself is not stored."""

    id: Uuid
    name: str
    scopes: list[Scope]
    createdAt: UtcDateTime
    lastUsedAt: Annotated[UtcDateTime, Meta(description="To the minute.")] | None
    revokedAt: UtcDateTime | None


class NewKey(Key, frozen=True):
    """A new API key, with its text: this is the only time that it is shown."""

    key: Annotated[str, Meta(examples=["stk_…"])]


class Keys(ResponseModel, frozen=True):
    """A page of keys, newest first, revoked ones included."""

    items: list[Key]
    next: Uuid | None


class KeyBody(RequestModel, frozen=True):
    """Whose key it is, and what it may."""

    name: Annotated[
        str, Meta(pattern=rf"^{LABEL}\Z", description="The audit calls it `key:<name>`.", examples=["shop"])
    ]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=5, extra_json_schema={"uniqueItems": True})]
