"""When something is unavailable or broken: answers reveal nothing of it, nothing is lost, and the service recovers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sharetally.adapters.migrations.runner import upgrade
from tests.conftest import require_service
from tests.services import Services, fresh_mysql, fresh_postgresql
from tests.services.proxy import open_proxy
from tests.web.api import Api, HttpResponse, assert_unavailable, eventually, make_settings, problem, start_api
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
LINK = {"contentType": "video", "contentId": "abc"}


@pytest.fixture(params=["postgresql", "mysql"])
def server_url(request: pytest.FixtureRequest, services: Services) -> Iterator[str]:
    """A database at its head on a server."""
    fresh = fresh_postgresql if request.param == "postgresql" else fresh_mysql
    with fresh(require_service(getattr(services, request.param), request.param)) as url:
        upgrade(url)
        yield url


EVERY = [
    ("POST", "/videos/abc/share", {}, "shares"),
    ("GET", "/videos/abc/share-status", b"", "shares"),
    ("DELETE", "/videos/abc/share/twitter", b"", "shares"),
    ("POST", "/videos/abc/share/twitter/retry", b"", "shares"),
    ("POST", "/share-links", LINK, "shares"),
    ("GET", "/share-links", b"", "shares"),
    ("GET", "/share-links/0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f", b"", "shares"),
    ("DELETE", "/share-links/0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f", b"", "shares"),
    ("GET", "/s/aB3dE5fG7h", b"", "shares"),
    ("GET", "/share-links/count/video/never-read", b"", "shares"),
    ("GET", "/share-links/count/video/abc?consistent=true", b"", "shares"),
    ("POST", "/share-links/count/video/abc/adjustments", {"operation": "increment", "reason": "r"}, "admin"),
    ("GET", "/proof/video/abc", b"", "shares"),
    ("GET", "/audit", b"", "shares"),
]


async def test_it_reports_a_missing_database_and_recovers_by_itself(server_url: str, tmp_path: Path) -> None:
    async with open_proxy(server_url) as proxy, start_api(make_settings(tmp_path, proxy.url)) as api:
        key = await api.key("shop", "shares")
        assert (await api.share("abc", "twitter")).status == 200
        await proxy.cut()
        for response in await asyncio.gather(*(api.request(*each[:3], scope=each[3]) for each in EVERY)):
            assert_unavailable(response)
        assert_unavailable(await api.request("GET", "/audit", user=None, headers={"x-api-key": key}))
        assert (await api.request("GET", "/platforms")).status == 200
        assert (await api.request("GET", "/health/live")).status == 200
        ready = await api.request("GET", "/health/ready")
        assert (ready.status, ready.json["checks"]["database"]["status"]) == (503, "down")
        await proxy.restore()
        again = await eventually(lambda: answered(api))
        assert again.json["results"][0]["alreadyShared"] is True
        assert await api.exact_count("video/abc") == 1
        assert (await api.counted("video/abc"))["shareCount"] == 1
        assert (await api.database.proof.verify(None, lambda _: None)).drift == 0


async def answered(api: Api) -> HttpResponse | None:
    response = await api.share("abc", "twitter")
    return response if response.status == 200 else None


async def test_a_503_under_a_key_can_be_retried(server_url: str, tmp_path: Path) -> None:
    async with open_proxy(server_url) as proxy, start_api(make_settings(tmp_path, proxy.url)) as api:
        key = {"idempotency-key": "the one"}
        asked = [asyncio.create_task(api.request("POST", "/share-links", LINK, headers=key)) for _ in range(5)]
        await asyncio.sleep(0)  # they are on their way
        await proxy.cut()
        assert {response.status for response in await asyncio.gather(*asked)} <= {201, 503}
        await proxy.restore()

        async def made() -> HttpResponse | None:
            response = await api.request("POST", "/share-links", LINK, headers=key)
            return response if response.status == 201 else None

        link = (await eventually(made)).json
        assert (await api.request("GET", "/share-links")).json["items"] == [link]
        assert await api.exact_count("video/abc") == 1


# nothing secret


async def test_an_unexpected_error_is_500_and_reveals_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object, **__: object) -> object:
        raise RuntimeError("column secret_column of /var/lib/x.db")

    monkeypatch.setattr(type(api.database.counts), "by_platform", broken)
    response = await api.request("GET", "/videos/abc/share-status")
    body = problem(response, 500, "internal")
    assert body["requestId"] == response.headers["x-request-id"]
    assert "secret_column" not in response.body.decode()
    assert body["requestId"] in capsys.readouterr().out


async def test_no_log_line_and_no_repr_holds_a_secret(make_api: MakeApi, capfd: pytest.CaptureFixture[str]) -> None:
    async with make_api() as api:
        key, token = await api.key("shop", "shares", "act-as"), api.token()
        bearer = {"authorization": f"Bearer {token}"}
        issued = await api.request("POST", "/tokens", {"userId": "carla"}, user=None, headers={"x-api-key": key})
        for how in ({"x-api-key": key}, bearer, {"authorization": f"Bearer {token}x"}, {"x-api-key": f"{key[:-1]}!"}):
            await api.share("abc", user=None, headers=how)
            await api.request("GET", f"/nowhere?token={token}", user=None, headers=how)
        shown = capfd.readouterr()
        response = shown.out + shown.err + repr(api.core.settings) + repr(vars(api.core))
        for secret in (key, token, issued.json["token"], "a secret that is long enough"):
            assert secret not in response
