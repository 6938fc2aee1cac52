"""Handlers of connected accounts: from the request to the use cases, and from their outcomes to the response."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from sharetally.domain.account import Account
from sharetally.domain.content import text_fault
from sharetally.domain.errors import InvalidRequest
from sharetally.flow.accounts.connecting import LIFETIME, Connecting
from sharetally.flow.accounts.managing import Accounts
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
from sharetally.web.auth.cookies import Cookie
from sharetally.web.auth.quota import Quota, rate_limit_fields
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request
from sharetally.web.responses import Response, json_response, no_content

# Lax, because browsers must send it when the platform, another site, sends people back
CONNECT_COOKIE = Cookie(name="sharetally-connect", same_site="Lax")
RETURN_TO_CONSOLE = ".console"  # at the end of the cookie: no address is in it, so nobody can be led elsewhere
_NO_STORE = ("cache-control", "no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectRequests:
    """Begins connections; `quota` limits them by user, because each contacts servers, some of which the user names."""

    connecting: Connecting
    quota: Quota


async def list_accounts(accounts: Accounts, request: Request[NoPath, NoQuery, NoBody]) -> Response:
    """The caller's accounts."""
    found = await accounts.of_user(request.caller)
    body = ConnectedAccounts(items=[account_body(each) for each in found], platforms=accounts.platforms)
    return json_response(200, body, _NO_STORE)


async def connect(requests: ConnectRequests, request: Request[PlatformPath, NoQuery, ConnectBody]) -> Response:
    """Begin to connect an account in the browser, or connect it at once with an app password."""
    connecting, body, platform = requests.connecting, request.body, request.path.platform
    for name in ("instance", "identifier", "appPassword", "server"):
        if (text := getattr(body, name)) is not None and (fault := text_fault(text)):
            raise InvalidRequest((name, fault))
    if body.appPassword is not None and body.identifier is None:
        raise InvalidRequest(("identifier", "must be there with appPassword: the handle of the account"))
    state = await requests.quota.spend(request.caller.user_id)
    headers = (_NO_STORE, *(rate_limit_fields(state) if state is not None else ()))
    if body.appPassword is not None and body.identifier is not None:
        account = await connecting.sign_in(
            platform,
            identifier=body.identifier,
            password=body.appPassword,
            server=body.server or "",
            caller=request.caller,
            request_id=request.request_id,
        )
        return json_response(201, account_body(account), *headers)
    server = body.instance or body.server or body.identifier or ""
    begun = await connecting.begin(platform, server, request.caller, request_id=request.request_id)
    browser = begun.browser + (RETURN_TO_CONSOLE if body.returnTo == "console" else "")
    cookie = CONNECT_COOKIE.set(request.scope, connecting.public_url, browser, seconds=int(LIFETIME.total_seconds()))
    return json_response(200, AuthorizeUrl(authorizeUrl=begun.url), *headers, cookie)


async def patch(accounts: Accounts, request: Request[AccountPath, NoQuery, AccountPatch]) -> Response:
    """Change the label, or make the account the default."""
    body = request.body
    label = None if body.label is UNSET else body.label
    if label is not None and (fault := text_fault(label)):
        raise InvalidRequest(("label", fault))
    changed = await accounts.change(
        request.path.account_id,
        request.caller,
        label=label,
        keep_label=body.label is UNSET,
        make_default=body.isDefault is True,
    )
    return json_response(200, account_body(changed), _NO_STORE)


async def disconnect(accounts: Accounts, request: Request[AccountPath, DisconnectQuery, NoBody]) -> Response:
    """Give the permission back at the platform, and delete our copy."""
    await accounts.disconnect(
        request.path.account_id, request.caller, force=request.query.force, request_id=request.request_id
    )
    return no_content()


def account_body(account: Account) -> ConnectedAccount:
    """An account as its user sees it."""
    return ConnectedAccount(
        id=str(account.id),
        platform=account.platform,
        externalId=account.external_id,
        server=account.server or None,
        handle=account.handle,
        label=account.label,
        isDefault=account.is_default,
        status=account.status.value,
        createdAt=account.created_at,
        updatedAt=account.updated_at,
    )
