"""A browser, as far as signing in needs one: it keeps cookies and sends the origin of its requests.

`Browser` calls the service in this process. `own` holds the headers of a request by a script on the console's page,
`strange` those of a request by a page of another site.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

from sharetally.flow.sign_in import new_sign_in_code
from tests.web.api import Api, HttpResponse

ALL_SCOPES = ("shares", "audit", "analytics", "admin")
SAME_ORIGIN: Mapping[str, str] = {"sec-fetch-site": "same-origin", "x-sharetally-console": "1"}
CROSS_ORIGIN: Mapping[str, str] = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}


async def create_sign_in_link(api: Api, user: str = "mara", *scopes: str, seconds: int = 3600) -> str:
    """The code of a fresh one-time link."""
    plain, code = new_sign_in_code(user, set(scopes or ALL_SCOPES), session_seconds=seconds, now=api.core.clock.now())
    await api.database.sessions.add_code(code)
    return plain


class Browser:
    """One person's, with its jar of cookies."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.jar: dict[str, str] = {}

    async def request(self, method: str, target: str, body: object = b"", **how: Any) -> HttpResponse:
        """A request with the jar's cookies; from the console's own page unless `headers` say otherwise."""
        headers = dict(how.pop("headers", SAME_ORIGIN))
        if self.jar:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        response = await self.api.request(method, target, body, user=None, headers=headers, **how)
        self._keep(response.headers.get("set-cookie", ""))
        return response

    def _keep(self, told: str) -> None:
        for line in filter(None, told.split("\n")):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.jar.pop(name, None)
                else:
                    self.jar[name] = morsel.value

    async def redeem(self, code: str, **how: Any) -> HttpResponse:
        """Follow a one-time link, as the sign-in page does."""
        return await self.request("POST", "/console/session", {"code": code}, **how)


async def sign_in(api: Api, user: str = "mara", *scopes: str, seconds: int = 3600) -> Browser:
    """A browser in which this user has signed in by a link."""
    browser = Browser(api)
    response = await browser.redeem(await create_sign_in_link(api, user, *scopes, seconds=seconds))
    assert response.status == 200, response
    return browser
