"""A user's browser that connects an account: it begins, is sent to the platform, and comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.web.api import Api, HttpResponse

COOKIE = "__Host-sharetally-connect"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Where the browser goes, and the cookie that it got."""

    platform: str
    url: str
    cookie: str = field(repr=False)


async def begin(api: Api, platform: str, body: object = None, **how: Any) -> Begun:
    """The user begins on a service with a public address of https."""
    response = await api.request("POST", f"/accounts/{platform}/connect", body or {}, **how)
    assert response.status == 200, response
    found = re.match(rf"{COOKIE}=([A-Za-z0-9_-]{{43}}); Path=/; ", response.headers["set-cookie"])
    assert found is not None, response
    return Begun(platform=platform, url=response.json["authorizeUrl"], cookie=found[1])


async def come_back(
    api: Api, platform: str, sent: Mapping[str, str], cookie: str | None, *, path: str = "callback"
) -> HttpResponse:
    """The browser follows the platform's redirect, with this cookie."""
    headers = {"cookie": f"{COOKIE}={cookie}"} if cookie is not None else {}
    return await api.request("GET", f"/oauth/{platform}/{path}?{urlencode(sent)}", user=None, headers=headers)
