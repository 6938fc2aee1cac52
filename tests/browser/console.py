"""Somebody in the console: a link to sign in with, and sessions for tests that begin behind the door."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.request import Request, urlopen

from playwright.async_api import Page, ViewportSize

from tests.browser.site import Site

ALL_SCOPES = "shares audit analytics admin"
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}

Console = Callable[..., Awaitable[Page]]
"""Opens a path for somebody with the scopes `scope`; other keywords are Playwright's for a window."""


def sign_in_link(site: Site, *, user: str = "maria", scope: str = ALL_SCOPES) -> str:
    """A link of this site that works once."""
    said = site.program.run("console", "--user", user, "--scope", scope)
    assert said.code == 0, said.err
    return f"{site.base}/console/sign-in#{said.out.strip().partition('#')[2]}"


class Sessions:
    """The cookies of a signed-in browser; each user signs in once with each set of scopes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cookies: dict[tuple[str, str], str] = {}

    def state(self, scope: str, user: str = "maria") -> Any:
        """The `storage_state` of Playwright's windows."""
        if (user, scope) not in self._cookies:
            self._cookies[user, scope] = self._signed_in(sign_in_link(self._site, user=user, scope=scope))
        name, _, value = self._cookies[user, scope].partition(";")[0].partition("=")
        cookie = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/", "expires": -1}
        return {"cookies": [{**cookie, "httpOnly": True, "secure": False, "sameSite": "Strict"}], "origins": []}

    def _signed_in(self, link: str) -> str:
        body = json.dumps({"code": link.partition("#")[2]}).encode()
        headers = {"content-type": "application/json", "origin": self._site.base, "x-sharetally-console": "1"}
        request = Request(f"{self._site.base}/console/session", data=body, headers=headers)  # noqa: S310
        with urlopen(request) as answer:  # noqa: S310
            return str(answer.headers["set-cookie"])
