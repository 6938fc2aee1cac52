"""Posts to a platform that makes everybody wait: they wait, operators see why, and no post fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from sharetally.adapters.platforms.linkedin.client import LinkedInPublisher
from sharetally.adapters.platforms.linkedin.connect import LinkedInConnector
from tests.fakes.api_server import Fault, Reply
from tests.fakes.linkedin import VERSION, FakeLinkedIn
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET
from tests.web.api import Api, eventually
from tests.web.conftest import MakeApi
from tests.web.test_api_posting import COOKIE, finished, posts

pytestmark = pytest.mark.anyio
ENDED_VERSION = "202511"
Start = Callable[[str], AbstractAsyncContextManager[Api]]


@pytest.fixture
async def linkedin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeLinkedIn]:
    """The service takes this fake for LinkedIn, and looks again soon at what waits behind a gate."""
    fake = FakeLinkedIn()
    monkeypatch.setattr("sharetally.flow.posting.handler.BEHIND_GATE", timedelta(milliseconds=50))
    async with fake.serving():
        addresses = {"base_url": fake.url, "oauth_url": f"{fake.url}/oauth/v2"}
        for part in (LinkedInPublisher, LinkedInConnector):
            defaults = cast(dict[str, object], part.__init__.__kwdefaults__)
            for name in addresses.keys() & defaults.keys():
                monkeypatch.setitem(defaults, name, addresses[name])
        yield fake


@pytest.fixture
def start(linkedin: FakeLinkedIn, make_api: MakeApi) -> Start:
    """Starts the service with this version of LinkedIn's API; the next one gets the same database."""
    settings = {
        "PUBLIC_URL": "https://shares.example",
        "CONTENT_URLS": '{"video": "https://shop.example/videos/{contentId}"}',
        "LINK_HOSTS": "shop.example",
        "SHARE_PLATFORMS": "linkedin,twitter",
        "POST_PLATFORMS": "linkedin",
        "POST_PRIVATE_SERVERS": linkedin.url,
        "LINKEDIN_CLIENT_ID": CLIENT_ID,
        "LINKEDIN_CLIENT_SECRET": CLIENT_SECRET,
    }
    return lambda version: make_api(**settings, LINKEDIN_VERSION=version)


async def connect(api: Api, linkedin: FakeLinkedIn, user: str) -> None:
    begun = await api.request("POST", "/accounts/linkedin/connect", {}, user=user)
    cookie = re.match(rf"{COOKIE}=([^;]+)", begun.headers["set-cookie"])
    assert cookie is not None
    sent = urlencode(linkedin.agree(begun.json["authorizeUrl"]))
    headers = {"cookie": f"{COOKIE}={cookie[1]}"}
    page = await api.request("GET", f"/oauth/linkedin/callback?{sent}", user=None, headers=headers)
    assert page.status == 200, page


async def post(api: Api, video: str, user: str = "anna") -> None:
    body = {"platforms": ["linkedin"], "mode": "server_post", "text": f"{user} likes {video}"}
    assert (await api.request("POST", f"/videos/{video}/share", body, user=user)).status == 202


async def closed_gates(api: Api) -> list[Any]:
    status = await api.request("GET", "/operation/status", scope="analytics")
    return list(status.json["closedGates"])


async def health(api: Api) -> Any:
    response = await api.request("GET", "/health/ready", user=None)
    assert response.status == 200
    return response.json


def creates(linkedin: FakeLinkedIn) -> int:
    return sum(request.target == "/rest/posts" for request in linkedin.requests)


async def test_an_ended_api_version_pauses_the_platform_until_another_is_set(
    start: Start, linkedin: FakeLinkedIn
) -> None:
    async with start(ENDED_VERSION) as api:
        assert (await health(api))["checks"]["posting"] == {"status": "ok"}
        await connect(api, linkedin, "anna")
        await connect(api, linkedin, "bert")
        await post(api, "first")
        (gate,) = await eventually(lambda: closed_gates(api))
        assert (gate["gate"], gate["version"]) == ("linkedin", f"linkedin/{ENDED_VERSION}")
        assert ENDED_VERSION in gate["reason"]
        assert timedelta(minutes=50) < datetime.fromisoformat(gate["until"]) - datetime.now(UTC) < timedelta(hours=2)
        report = await health(api)
        assert (report["status"], report["checks"]["posting"]["status"]) == ("degraded", "paused")
        assert f"linkedin/{ENDED_VERSION} has ended" in report["checks"]["posting"]["detail"]
        await post(api, "second", user="bert")  # another account of the platform waits as well
    async with start(ENDED_VERSION) as api:  # a mere restart sends nothing
        assert [each["gate"] for each in await closed_gates(api)] == ["linkedin"]
        (waiting,) = await posts(api)
        assert (waiting["status"], creates(linkedin), linkedin.texts()) == ("pending", 1, [])
    async with start(VERSION) as api:
        await finished(api, "success")
        assert (await closed_gates(api), (await health(api))["status"]) == ([], "ok")

        async def both() -> bool:
            return len(linkedin.texts()) == 2

        await eventually(both)


async def test_a_deletion_that_meets_an_ended_version_waits(start: Start, linkedin: FakeLinkedIn) -> None:
    """It needs the API, too; the post is deleted once the pause is over."""
    async with start(VERSION) as api:
        await connect(api, linkedin, "anna")
        await post(api, "first")
        await finished(api, "success")
        ended = {"status": 426, "code": "NONEXISTENT_VERSION", "message": "Requested version is not active"}
        linkedin.fail("delete", Fault(carried_out=False, reply=Reply(status=426, json=ended)))
        deleted = await api.request("DELETE", "/videos/first/share/linkedin?deletePost=true")
        assert deleted.status == 204
        assert (await eventually(lambda: closed_gates(api)))[0]["version"] == f"linkedin/{VERSION}"
        assert len(linkedin.texts()) == 1
        await api.database.deliveries.open_gate("linkedin")

        async def is_deleted() -> bool:
            return linkedin.texts() == []

        await eventually(is_deleted)
