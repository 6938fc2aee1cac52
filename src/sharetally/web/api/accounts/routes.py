"""The routes of connected accounts."""

from __future__ import annotations

from sharetally.flow.accounts.managing import Accounts
from sharetally.web.api.accounts import handlers
from sharetally.web.api.accounts.schemas import (
    AccountPatch,
    AccountPath,
    AuthorizeUrl,
    ConnectBody,
    ConnectedAccount,
    ConnectedAccounts,
    DisconnectQuery,
    PlatformPath,
)
from sharetally.web.endpoint import Access, AnyEndpoint, Endpoint, NoBody, NoPath, NoQuery, Request

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/accounts",
        handler=handlers.list_accounts,
        service=Accounts,
        request=Request[NoPath, NoQuery, NoBody],
        summary="List the caller's connected accounts",
        tag="Accounts",
        access=Access.ANY_TOKEN,
        responses={200: ConnectedAccounts},
        problems=("invalid-request", "unavailable"),
        head=True,
    ),
    Endpoint(
        method="POST",
        path="/accounts/{platform}/connect",
        handler=handlers.connect,
        service=handlers.ConnectRequests,
        request=Request[PlatformPath, NoQuery, ConnectBody],
        summary="Connect an account",
        tag="Accounts",
        access=Access.ANY_TOKEN,
        scopes=("shares",),
        responses={200: AuthorizeUrl, 201: ConnectedAccount},
        problems=(
            "invalid-request",
            "not-found",
            "conflict",
            "too-large",
            "rate-limited",
            "platform-unavailable",
            "unavailable",
        ),
    ),
    Endpoint(
        method="PATCH",
        path="/accounts/{id}",
        handler=handlers.patch,
        service=Accounts,
        request=Request[AccountPath, NoQuery, AccountPatch],
        summary="Label an account, or make it the default",
        tag="Accounts",
        access=Access.ANY_TOKEN,
        scopes=("shares",),
        responses={200: ConnectedAccount},
        problems=("invalid-request", "not-found", "too-large", "unavailable"),
    ),
    Endpoint(
        method="DELETE",
        path="/accounts/{id}",
        handler=handlers.disconnect,
        service=Accounts,
        request=Request[AccountPath, DisconnectQuery, NoBody],
        summary="Disconnect an account",
        tag="Accounts",
        access=Access.ANY_TOKEN,
        scopes=("shares",),
        responses={204: None},
        problems=("invalid-request", "not-found", "conflict", "platform-unavailable", "unavailable"),
    ),
)
