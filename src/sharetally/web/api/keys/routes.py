"""The routes of API keys."""

from __future__ import annotations

from sharetally.web.api.keys import handlers
from sharetally.web.api.keys.handlers import ApiKeys
from sharetally.web.api.keys.schemas import Key, KeyBody, Keys, NewKey
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)
from sharetally.web.paging import PageQuery
from sharetally.web.parameters import IdPath

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/keys",
        handler=handlers.list_keys,
        service=ApiKeys,
        request=Request[NoPath, PageQuery, NoBody],
        summary="List API keys, including revoked ones",
        tag="Keys",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: Keys},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="POST",
        path="/keys",
        handler=handlers.create,
        service=ApiKeys,
        request=Request[NoPath, NoQuery, KeyBody],
        summary="Create an API key; only this response shows it",
        tag="Keys",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={201: NewKey},
        problems=(
            "invalid-request",
            "conflict",
            "too-large",
            "unavailable",
        ),
    ),
    Endpoint(
        method="GET",
        path="/keys/{id}",
        handler=handlers.read_key,
        service=ApiKeys,
        request=Request[IdPath, NoQuery, NoBody],
        summary="Read an API key",
        tag="Keys",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={200: Key},
        problems=(
            "invalid-request",
            "not-found",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="DELETE",
        path="/keys/{id}",
        handler=handlers.revoke,
        service=ApiKeys,
        request=Request[IdPath, NoQuery, NoBody],
        summary="Revoke an API key; it stops working within ten seconds",
        tag="Keys",
        access=Access.ANY_TOKEN,
        scopes=("admin",),
        responses={204: None},
        problems=(
            "invalid-request",
            "not-found",
            "unavailable",
        ),
    ),
)
