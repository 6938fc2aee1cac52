"""How a user connects Facebook pages: the user's token, made long-lived, gives a token of its own to each page.

A page's token does not expire while the user keeps the role on the page (developers.facebook.com, Facebook Login, long
lived tokens). The user's token is not kept. A page without a token of its own is not offered: posting with the user's
token would post as somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from sharetally.adapters.platforms._api import decode
from sharetally.adapters.platforms._graph import (
    NO_SUCH_OBJECT,
    PARAMETER,
    ObjectId,
    Paging,
    graph_error,
    graph_request,
    oauth_error,
)
from sharetally.adapters.platforms._oauth import ClientAuthentication, CodeFlow, read_tokens, utc_now
from sharetally.domain.account import Account, Profile, Tokens
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundError
from sharetally.ports.posting_platform import (
    Authorization,
    ConnectFailed,
    Connection,
    Connector,
    GrantLost,
    PlatformUnavailable,
)

SCOPE = "pages_manage_posts,pages_read_engagement,pages_show_list"
USER_ID = "user_id"  # in `Tokens.private`: who agreed
MAX_PAGES = 10  # of 100 pages each
T = TypeVar("T")


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str = ""
    access_token: str = ""


class _Pages(msgspec.Struct, frozen=True, kw_only=True):
    data: tuple[_Page, ...]
    paging: Paging = Paging()


class FacebookConnector(Connector):
    """Connects pages; `api_version` is like `v26.0`."""

    platform = "facebook"
    revoke_ends_all = True  # the permission is the user's, for all their pages

    def __init__(
        self,
        outbound: Outbound,
        *,
        client_id: str,
        client_secret: str,
        api_version: str,
        dialog_url: str = "https://www.facebook.com",
        base_url: str = "https://graph.facebook.com",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._graph_url = f"{base_url}/{api_version}"
        self._app_tokens = Tokens(access=f"{client_id}|{client_secret}")
        self._now = now
        self._flow = CodeFlow(
            label="Facebook",
            outbound=outbound,
            authorize_url=f"{dialog_url}/{api_version}/dialog/oauth",
            token_url=f"{self._graph_url}/oauth/access_token",
            client_id=client_id,
            client_secret=client_secret,
            scope=SCOPE,
            authentication=ClientAuthentication.BODY,
            pkce=False,
            read_error=oauth_error,
        )

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin; Facebook has one server, and nothing has to be kept."""
        url = self._flow.authorization_url(state=state, redirect_uri=redirect_uri, code_challenge=code_challenge)
        return Authorization(url=url, private={})

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish, with every page that has a token of its own; `ConnectFailed` if there is none."""
        response = await self._flow.exchange(parameters, redirect_uri=redirect_uri, code_verifier=code_verifier)
        short_lived = read_tokens(response, "Facebook").access_token
        request = {"grant_type": "fb_exchange_token", "fb_exchange_token": short_lived}
        try:
            response = await self._flow.request_token(request)
        except GrantLost as error:
            raise ConnectFailed(str(error)) from None
        user_tokens = read_tokens(response, "Facebook").tokens(self._now())
        user = await self._read("/me", user_tokens, ObjectId, fields="id")
        pages = await self._pages(user_tokens)
        connections = [
            Connection(
                profile=Profile(external_id=page.id, handle=page.name or page.id),
                tokens=Tokens(access=page.access_token, private={USER_ID: user.id}),
            )
            for page in pages
            if page.access_token
        ]
        if pages and not connections:
            names = ", ".join(page.name or page.id for page in pages)
            raise ConnectFailed(f"Facebook gives no access to {names}: a role on the page that may post is needed")
        if not connections:
            raise ConnectFailed("Facebook shows no page of this user; connect again and choose a page")
        return connections

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """A page's token does not expire; one that is refused is gone."""
        raise GrantLost("Facebook does not renew the token of a page")

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """Give back what the user agreed to, **for all pages of this user**: Facebook knows no less."""
        url = f"{self._graph_url}/{tokens.private[USER_ID]}/permissions"
        try:
            response = await graph_request(self._outbound, "DELETE", url, self._app_tokens, deadline=DEADLINE)
        except OutboundError as error:
            raise PlatformUnavailable(f"Facebook cannot be reached: {error}") from error
        refusal = graph_error(response)
        is_gone = refusal.code == PARAMETER and refusal.error_subcode == NO_SUCH_OBJECT
        if response.status != 200 and not is_gone:
            raise PlatformUnavailable(f"Facebook answered {response.status} to the revocation")

    async def _pages(self, tokens: Tokens) -> list[_Page]:
        pages: list[_Page] = []
        parameters = {"fields": "id,name,access_token", "limit": "100"}
        for _ in range(MAX_PAGES):
            found = await self._read("/me/accounts", tokens, _Pages, **parameters)
            pages += found.data
            if not found.paging.after:
                break
            parameters["after"] = found.paging.after
        return pages

    async def _read(self, path: str, tokens: Tokens, shape: type[T], **parameters: str) -> T:
        url = f"{self._graph_url}{path}"
        try:
            response = await graph_request(self._outbound, "GET", url, tokens, deadline=DEADLINE, **parameters)
        except OutboundError as error:
            raise PlatformUnavailable(f"Facebook cannot be reached: {error}") from error
        found = decode(response, shape) if response.status == 200 else None
        if found is None:
            raise PlatformUnavailable(f"Facebook answered {response.status} to the question which pages there are")
        return found
