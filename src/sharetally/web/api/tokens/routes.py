"""The routes that issue tokens."""

from __future__ import annotations

from sharetally.web.api.tokens import handlers
from sharetally.web.api.tokens.handlers import TokenIssuers
from sharetally.web.api.tokens.schemas import Token, TokenBody
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    AnyQuery,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="POST",
        path="/tokens",
        handler=handlers.token,
        service=TokenIssuers,
        request=Request[NoPath, NoQuery, TokenBody],
        summary="A short-lived token for one's own front end",
        tag="Tokens",
        access=Access.ANY_TOKEN,
        scopes=("act-as",),
        responses={200: Token},
        problems=(
            "invalid-request",
            "too-large",
            "conflict",
            "unavailable",
        ),
    ),
    Endpoint(
        method="POST",
        path="/tokens/visitor",
        handler=handlers.visitor,
        service=TokenIssuers,
        request=Request[NoPath, AnyQuery, NoBody],
        summary="A token for a visitor without an account",
        tag="Tokens",
        access=Access.PUBLIC,
        responses={200: Token},
        problems=(
            "not-found",
            "rate-limited",
        ),
    ),
)
