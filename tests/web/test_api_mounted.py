"""Behind a proxy under ROOT_PATH, stripped or not, and under another application."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message

from sharetally.asgi import Sharetally, create_app
from tests.oracle.tokens import token_signer
from tests.web.api import SECRET, Api, HttpResponse, call, make_settings, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
LINK = {"contentType": "video", "contentId": "abc"}


@pytest.mark.parametrize("prefix", ["", "/shares"])
async def test_a_proxy_may_strip_the_root_path_or_leave_it(make_api: MakeApi, prefix: str) -> None:
    async with make_api(ROOT_PATH="/shares") as api:
        response = await api.request("POST", f"{prefix}/share-links", LINK)
        link = response.json
        assert response.headers["location"] == f"/shares/share-links/{link['id']}"
        assert link["shortUrl"] == f"/shares/s/{link['code']}"
        for path in (response.headers["location"], link["shortUrl"]):
            found = await api.request("GET", prefix + path.removeprefix("/shares"))
            assert found.status in (200, 302)
        assert problem(await api.request("GET", f"{prefix}/nowhere"), 404, "not-found")["type"] == (
            "/shares/problems/not-found"
        )
        assert (await api.request("GET", f"{prefix}/problems/not-found")).status == 200
        assert (await api.request("GET", f"{prefix}/openapi.json")).json["servers"] == [{"url": "/shares"}]
        assert b'href="/shares/page.css"' in (await api.request("GET", f"{prefix}/docs")).body
        problem(await api.request("GET", "/sharesplatforms"), 404, "not-found")


@pytest.mark.parametrize("root", ["/s", "/videos", "/share-links", "/content"])
@pytest.mark.parametrize("stripped", [True, False])
async def test_a_root_path_may_look_like_a_path_of_ours(make_api: MakeApi, root: str, stripped: bool) -> None:
    async with make_api(ROOT_PATH=root) as api:
        prefix = "" if stripped else root
        link = (await api.request("POST", f"{prefix}/share-links", LINK)).json
        assert (await api.request("GET", f"{prefix}/share-links/{link['id']}")).json == link
        assert (await api.request("GET", f"{prefix}/s/{link['code']}")).status == 302
        assert (await api.request("POST", f"{prefix}/videos/abc/share", {})).status == 200
        assert (await api.request("GET", f"{prefix}/content/video/abc/share-status")).status == 200


async def test_the_root_path_comes_from_the_host_application(api: Api) -> None:
    response = await api.request("POST", "/app/shares/share-links", LINK, root_path="/app/shares")
    assert response.headers["location"] == f"/app/shares/share-links/{response.json['id']}"
    assert response.json["shortUrl"] == f"/app/shares/s/{response.json['code']}"
    missing = problem(await api.request("GET", "/app/shares/nowhere", root_path="/app/shares"), 404, "not-found")
    assert missing["type"] == "/app/shares/problems/not-found"


async def test_a_root_path_with_line_breaks_is_encoded_in_headers(api: Api) -> None:
    raw, told = "/a%0d%0aX:%20y%C3%A9", "/a\r\nX: yé"
    response = await api.request("POST", f"{raw}/share-links", LINK, root_path=told)
    assert response.status == 201
    assert response.headers["location"] == f"/a%0D%0AX:%20y%C3%A9/share-links/{response.json['id']}"


async def test_the_root_path_that_was_set_is_the_one_the_world_sees(make_api: MakeApi) -> None:
    async with make_api(ROOT_PATH="/public/shares") as api:
        response = await api.request("POST", "/shares/share-links", LINK, root_path="/shares")
        assert response.headers["location"].startswith("/public/shares/share-links/")


# under Starlette


@pytest.fixture
def mounted(migrated_file: Path, tmp_path: Path) -> Callable[..., Sharetally]:
    """The application as a host makes it, over a database of the test's own."""
    shutil.copy(migrated_file, tmp_path / "sharetally.db")

    def make(**more: str) -> Sharetally:
        app = create_app(make_settings(tmp_path, f"sqlite:///{tmp_path}/sharetally.db", **more))
        assert isinstance(app, Sharetally)
        return app

    return make


async def ask(app: ASGIApp, method: str, path: str, body: bytes = b"") -> HttpResponse:
    token = f"Bearer {token_signer(SECRET)('anna')}".encode()
    headers = [(b"authorization", token), (b"content-length", str(len(body)).encode())]
    return await call(app, method, path, headers=headers, chunks=(body,))


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Start and stop an application as a server does."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(app(scope, incoming.get, outgoing.put))
    await incoming.put({"type": "lifespan.startup"})
    started = await outgoing.get()
    assert started["type"] == "lifespan.startup.complete", started
    yield
    await incoming.put({"type": "lifespan.shutdown"})
    assert (await outgoing.get())["type"] == "lifespan.shutdown.complete"
    await running


async def works(app: ASGIApp, prefix: str) -> None:
    shared = await ask(app, "POST", f"{prefix}/videos/a%20b/share", b'{"platforms": ["twitter"]}')
    assert (shared.status, shared.json["video_id"]) == (200, "a b")
    link = await ask(app, "POST", f"{prefix}/share-links", b'{"contentType": "video", "contentId": "a b"}')
    assert link.headers["location"].startswith(f"{prefix}/share-links/")
    assert (await ask(app, "GET", link.headers["location"])).json == link.json
    exact = await ask(app, "GET", f"{prefix}/share-links/count/video/a%20b?consistent=true")
    assert exact.json["shareCount"] == 2
    broken = await ask(app, "GET", f"{prefix}/share-links/count/video/a%2Fb")
    assert problem(broken, 400, "invalid-request")["type"] == f"{prefix}/problems/invalid-request"
    assert (await ask(app, "GET", f"{prefix}/problems/invalid-request")).status == 200
    assert f'href="{prefix}/page.css"'.encode() in (await ask(app, "GET", f"{prefix}/docs")).body


async def test_mounted_under_a_host_that_hands_on_no_lifespan(mounted: Callable[..., Sharetally]) -> None:
    app = mounted()
    host = Starlette(routes=[Mount("/shares", app)])
    async with lifespan(host):
        await works(host, "/shares")
    await app.close()


async def test_mounted_under_a_host_that_hands_it_on(mounted: Callable[..., Sharetally]) -> None:
    app = mounted()

    @asynccontextmanager
    async def with_ours(_: Any) -> AsyncIterator[None]:
        async with lifespan(app):
            yield

    host = Starlette(routes=[Mount("/app", Mount("/shares", app))], lifespan=with_ours)
    async with lifespan(host):
        await works(host, "/app/shares")


async def test_the_application_runs_on_its_own(mounted: Callable[..., Sharetally]) -> None:
    app = mounted()
    async with lifespan(app):
        await works(app, "")


async def test_many_first_requests_at_once_open_it_once(mounted: Callable[..., Sharetally]) -> None:
    app = mounted()
    response = await asyncio.gather(
        *(ask(app, "POST", "/videos/abc/share", b'{"platforms": ["twitter"]}') for _ in range(20))
    )
    assert sorted(each.json["results"][0]["alreadyShared"] for each in response) == [False] + [True] * 19
    await app.close()
