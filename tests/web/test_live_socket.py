"""`/live`: the present count and then every change; permissions, limits, and how a connection ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.web.auth import api_keys
from sharetally.web.auth.sessions import SESSION_TTL
from sharetally.web.live import credentials as live_credentials
from sharetally.web.live import websocket as live_socket
from sharetally.web.serving.server import Server
from tests.web.api import Api, eventually, problem
from tests.web.browser import Browser, sign_in
from tests.web.conftest import MakeApi
from tests.web.live_clients import connect_live, content_fields, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def serving(api: Api) -> AsyncIterator[tuple[Server, int]]:
    async with serve(api) as found:
        yield found


@pytest.fixture
def port(serving: tuple[Server, int]) -> int:
    return serving[1]


async def test_the_current_count_comes_first_and_then_every_change(api: Api, port: int) -> None:
    await api.share("abc", "twitter")
    shown = await api.counted("video/abc")
    async with connect_live(port) as client:
        await client.subscribe("video/abc")
        assert await client.receive() == shown
        await api.share("abc", "whatsapp")
        assert (await client.receive_count(2))["breakdown"]["channel"] == {"twitter": 1, "whatsapp": 1}
        await api.request("DELETE", "/videos/abc/share/twitter")
        assert (await client.receive_count(1)) == await api.counted("video/abc")


async def test_an_unshared_content_starts_at_0(api: Api, port: int) -> None:
    async with connect_live(port) as client:
        await client.subscribe("video/new")
        response = await client.receive()
        assert (response["shareCount"], response["version"], response["asOf"]) == (0, 0, None)
        await api.share("new", "twitter")
        await client.receive_count(1)


async def test_two_clients_can_follow_the_same_and_different_content_items(api: Api, port: int) -> None:
    async with connect_live(port) as one, connect_live(port) as other:
        await one.subscribe("video/a", "article/b")
        await other.subscribe("article/b")
        assert {(response := await one.receive())["contentId"], (await one.receive())["contentId"]} == {"a", "b"}, (
            response
        )
        await other.receive()
        await api.share("a", "twitter")
        assert (await one.receive_count(1))["contentId"] == "a"
        await api.request("POST", "/content/article/b/share", {"platforms": ["twitter"]})
        assert (await one.receive())["contentId"] == "b"
        assert (await other.receive())["contentId"] == "b"


async def test_a_client_with_the_current_version_gets_only_changes(api: Api, port: int) -> None:
    await api.share("abc", "twitter")
    version = (await api.counted("video/abc"))["version"]
    async with connect_live(port) as client:
        await client.subscribe("video/abc", version=version)
        await client.subscribe("video/other")
        assert (await client.receive())["contentId"] == "other"
        await client.send(unsubscribe=[content_fields("video/other")])
        await api.share("abc", "whatsapp")
        assert (await client.receive())["shareCount"] == 2
    async with connect_live(port) as client:
        await client.subscribe("video/abc", version=version)
        assert (await client.receive())["shareCount"] == 2


async def test_unsubscribed_contents_are_not_sent(api: Api, port: int) -> None:
    async with connect_live(port) as client:
        await client.subscribe("video/abc", "video/other")
        await client.receive()
        await client.receive()
        await client.send(unsubscribe=[content_fields("video/abc")])
        await api.share("abc", "twitter")
        await api.share("other", "twitter")
        assert (await client.receive())["contentId"] == "other"


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ('{"subscribe":[{"contentType":"video"}]}', "subscribe[0].contentId"),
        ('{"subscribe":[{"contentType":"Video!","contentId":"a"}]}', "subscribe[0].contentType"),
        ('{"subscribe":[{"contentType":"video","contentId":"a/b"}]}', "subscribe[0].contentId"),
        ('{"subscribe":"everything"}', "subscribe"),
        ('{"unsubscribe":[{"contentType":"video","contentId":".."}]}', "unsubscribe[0].contentId"),
        ('{"what":1}', "what"),
        ("[]", "body"),
        ("no JSON", "body"),
        (b"\xff", "body"),
    ],
)
async def test_a_malformed_message_is_reported_and_ignored(
    api: Api, port: int, message: str | bytes, path: str
) -> None:
    async with connect_live(port) as client:
        await client.connection.send(message)
        assert [each["path"] for each in (await client.receive_error("invalid-request"))["invalid"]] == [path]
        await client.subscribe("video/abc")
        assert (await client.receive())["shareCount"] == 0


async def test_one_client_follows_at_most_1000_content_items(api: Api, port: int) -> None:
    async with connect_live(port) as client:
        for start in (0, 200, 400, 600, 800):
            await client.subscribe(*(f"video/{number}" for number in range(start, min(start + 200, 999))))
        assert {(await client.receive())["contentId"] for _ in range(999)} == {str(number) for number in range(999)}
        await client.subscribe("video/half", "video/done")
        await client.receive_error("invalid-request")
        await api.share("half", "twitter")
        await client.subscribe("video/998", "video/last")
        assert {(await client.receive())["contentId"] for _ in range(2)} == {"998", "last"}
        await client.subscribe("video/more")
        await client.receive_error("invalid-request")
        await api.share("last", "twitter")
        assert await client.receive_count(1) == await api.counted("video/last")
        await api.share("0", "twitter")
        assert await client.receive_count(1) == await api.counted("video/0")


async def test_one_message_names_200_contents_and_no_more(port: int) -> None:
    async with connect_live(port) as client:
        await client.subscribe(*(f"video/{number}" for number in range(201)))
        assert [each["path"] for each in (await client.receive_error("invalid-request"))["invalid"]] == ["subscribe"]
        await client.subscribe("video/0")
        assert (await client.receive())["contentId"] == "0"


async def test_a_message_holds_200_contents_with_the_longest_ids(port: int) -> None:
    longest = ["𝄞" * 125 + f"{number:03}" for number in range(200)]
    async with connect_live(port) as client:
        wanted = [{"contentType": "a" * 32, "contentId": each, "version": 2**53} for each in longest]
        await client.connection.send(json.dumps({"subscribe": wanted}, ensure_ascii=False))
        assert [(await client.receive())["contentId"] for _ in longest] == longest


async def test_a_message_that_is_too_long_closes(port: int) -> None:
    async with connect_live(port) as client:
        await client.connection.send("x" * 300_000)
        assert await client.wait_closed() == 1009


async def test_a_message_in_very_many_pieces_closes(port: int) -> None:
    async with connect_live(port) as client:
        with suppress(ConnectionClosed):
            await client.connection.send([""] * 1_100)
        assert await client.wait_closed() == 1009


async def test_a_message_may_come_in_pieces(port: int) -> None:
    async with connect_live(port) as client:
        await client.connection.send(json.dumps({"subscribe": [content_fields("video/abc")]}))
        await client.connection.send(iter(json.dumps({"subscribe": [content_fields("video/other")]})))
        assert {(await client.receive())["contentId"] for _ in range(2)} == {"abc", "other"}


async def test_a_client_that_sends_too_much_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MAX_MESSAGES", 3)
    async with connect_live(port) as client:
        for _ in range(4):
            await client.send()
        await client.receive_error("forbidden")
        assert await client.wait_closed() == 1008


# credentials and origins


async def test_a_refusal_is_not_logged_as_an_error(
    serving: tuple[Server, int], caplog: pytest.LogCaptureFixture
) -> None:
    server, port = serving
    for strange in ({"path": "/live", "origin": "https://evil.example"}, {"path": "/nothing"}):
        with pytest.raises(InvalidStatus):
            async with connect_live(port, **strange):
                pass
    await eventually(lambda: _all_done(server))
    assert [line.getMessage() for line in caplog.records if line.levelname in {"WARNING", "ERROR"}] == []


async def _all_done(server: Server) -> bool:
    return not server.server_state.tasks


async def test_a_foreign_origin_is_refused(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect_live(port, origin="https://elsewhere.example"):
            pass
    assert refused.value.response.status_code == 403
    assert b"/problems/forbidden" in (refused.value.response.body or b"")


async def test_only_our_own_and_allowed_origins_can_connect(make_api: MakeApi) -> None:
    settings = {"CORS_ORIGINS": "https://shop.example", "PUBLIC_URL": "https://share.example"}
    async with make_api(**settings) as api, serve(api) as (_, port):
        for origin in (f"http://127.0.0.1:{port}", "https://shop.example", "https://share.example"):
            async with connect_live(port, origin=origin) as client:
                await client.subscribe("video/abc")
                await client.receive()
        for origin in ("https://shop.example.evil.example", "http://shop.example", "null", "http://["):
            with pytest.raises(InvalidStatus) as refused:
                async with connect_live(port, origin=origin):
                    pass
            assert refused.value.response.status_code == 403


async def test_another_path_speaks_no_websocket(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect_live(port, "/livelier"):
            pass
    assert refused.value.response.status_code == 404
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


async def test_a_request_without_websocket_is_asked_to_upgrade(port: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for response in (await client.get("/live"), await client.head("/live")):
            assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
            assert response.headers["connection"] == "upgrade"
            assert response.headers["content-type"] == "application/problem+json"
        body = (await client.get("/live")).json()
        assert (body["status"], "WebSocket client" in body["detail"]) == (426, True)
        assert (await client.get(body["type"])).status_code == 200
        assert (await client.post("/live")).headers["allow"] == "GET, HEAD"


async def test_without_public_counts_a_token_comes_first(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_COUNTS="off") as api, serve(api) as (_, port):
        async with connect_live(port) as client:
            await client.send(token=api.token(), subscribe=[content_fields("video/abc")])
            assert (await client.receive())["shareCount"] == 0
        async with connect_live(port, authorization=f"Bearer {api.token()}") as client:
            await client.subscribe("video/abc")
            assert (await client.receive())["shareCount"] == 0
        async with connect_live(port) as client:
            await client.subscribe("video/abc")
            await client.receive_error("unauthenticated")
            assert await client.wait_closed() == 1008
        async with connect_live(port) as client:
            await client.send(token="ey.no.token", subscribe=[content_fields("video/abc")])
            await client.receive_error("unauthenticated")
            assert await client.wait_closed() == 1008
        with pytest.raises(InvalidStatus) as refused:
            async with connect_live(port, authorization="Bearer ey.no.token"):
                pass
        assert refused.value.response.status_code == 401


async def test_a_client_without_a_token_is_disconnected_after_a_while(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_credentials, "TOKEN_SECONDS", 0.05)
    async with make_api(PUBLIC_COUNTS="off") as api, serve(api) as (_, port), connect_live(port) as client:
        await client.receive_error("unauthenticated")
        assert await client.wait_closed() == 1008


async def test_an_expired_credential_closes_the_connection(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_credentials, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(api_keys, "KEY_TTL", 0.05)
    async with make_api(PUBLIC_COUNTS="off") as api, serve(api) as (_, port), connect_live(port) as client:
        await client.send(token=await api.key("till", "shares"), subscribe=[content_fields("video/abc")])
        await client.receive()
        (key,) = await api.database.keys.all()
        assert await api.database.keys.revoke(key.id)
        await client.receive_error("unauthenticated")
        assert await client.wait_closed() == 1008


# activity


async def test_activity_needs_its_scope(api: Api, port: int) -> None:
    async with connect_live(port) as client:
        await client.send(subscribe="activity")
        await client.receive_error("unauthenticated")
        assert await client.wait_closed() == 1008
    async with connect_live(port) as client:
        await client.send(token=api.token(), subscribe="activity")
        await client.receive_error("forbidden")
        await client.subscribe("video/abc")
        await client.receive()


async def test_the_last_hour_then_the_minutes_that_changed(api: Api, port: int) -> None:
    await api.share("abc", "twitter", "whatsapp")
    await api.share("abc", "twitter", user="bert")
    await api.counted("video/abc")
    async with connect_live(port) as client:
        await client.send(token=api.token(scope="analytics"), subscribe="activity")
        found: dict[str, int] = {}
        while found != {"twitter": 2, "whatsapp": 1}:
            for row in (await client.receive())["activity"]:
                assert abs((datetime.now(UTC) - datetime.fromisoformat(row["minute"])).total_seconds()) < 120
                found[row["channel"]] = row["shares"]
        await api.share("abc", "facebook")
        rows = (await client.receive())["activity"]
        assert {row["channel"]: row["shares"] for row in rows}["facebook"] == 1
        await client.send(unsubscribe="activity")


# bounds and ends


async def test_a_client_beyond_the_limit_is_refused(make_api: MakeApi) -> None:
    async with make_api(LIVE_CLIENTS="1") as api, serve(api) as (_, port):
        async with connect_live(port) as client:
            await client.subscribe("video/abc")
            await client.receive()
            assert "sharetally_live_subscribers 1.0" in await _metrics(api)
            with pytest.raises(InvalidStatus) as refused:
                async with connect_live(port):
                    pass
            assert refused.value.response.status_code == 503
        await eventually(lambda: _followers(api, 0))


async def _metrics(api: Api) -> str:
    return (await api.request("GET", "/metrics", scope="admin")).body.decode()


async def test_clients_are_asked_to_reconnect_when_the_process_ends(serving: tuple[Server, int]) -> None:
    server, port = serving
    clients = []
    for _ in range(3):
        manager = connect_live(port)
        clients.append((manager, await manager.__aenter__()))
    for _, client in clients:
        await client.subscribe("video/abc")
        await client.receive()
    ended = asyncio.create_task(server.shutdown())
    assert [await client.wait_closed() for _, client in clients] == [1012] * 3
    await ended
    for manager, _ in clients:
        await manager.__aexit__(None, None, None)


async def test_a_client_that_never_reads_is_disconnected_and_others_get_updates(
    api: Api, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [f"video/{number}" for number in range(100)]
    async with AsyncExitStack() as stack:
        quick = await stack.enter_async_context(connect_live(port))
        monkeypatch.setattr(live_socket, "WRITE_TIMEOUT_SECONDS", 0.2)  # for who comes from now on
        stuck = await stack.enter_async_context(connect_live(port))
        for client in (quick, stuck):
            await client.subscribe(*contents)
        assert {(await quick.receive())["contentId"] for _ in contents} == {each.split("/")[1] for each in contents}
        stuck.connection.transport.pause_reading()
        for version in range(1, 21):
            api.core.live.on_counts([_much(number, version) for number in range(100)])
            for _ in contents:
                assert (await quick.receive())["version"] == version
        await eventually(lambda: _followers(api, 1))
        stuck.connection.transport.resume_reading()
        assert await stuck.wait_closed() == 1013


def _much(number: int, version: int) -> Count:
    """A count whose message takes some kilobytes."""
    campaigns = {f"{place:064}": version for place in range(50)}
    return Count(
        content=ContentRef("video", str(number)),
        shares=version,
        evidence={},
        channel={},
        campaign=campaigns,
        version=version,
        as_of=datetime.now(UTC),
    )


async def _followers(api: Api, number: int) -> bool:
    return f"sharetally_live_subscribers {number}.0" in await _metrics(api)


# the console's cookie, and visitors


async def test_the_console_cookie_works_only_from_console_pages(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS="https://shop.example") as api, serve(api) as (_, port):
        cookie = cookie_of(await sign_in(api, "mara", "analytics"))
        for own in ({"origin": f"http://127.0.0.1:{port}"}, {"sec-fetch-site": "same-origin"}):
            async with connect_live(port, cookie=cookie, **own) as client:
                await client.send(subscribe="activity")
                assert "activity" in await client.receive()
        for strange in ({"origin": "https://shop.example"}, {"sec-fetch-site": "cross-site"}, {}):
            async with connect_live(port, cookie=cookie, **strange) as client:
                await client.send(subscribe="activity")
                await client.receive_error("unauthenticated")
                assert await client.wait_closed() == 1008


def cookie_of(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.jar.items())


async def test_signing_out_closes_open_connections(api: Api, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live_credentials.CHECK_SECONDS + SESSION_TTL <= 10, "what is told of it, for what another process remembers"
    monkeypatch.setattr(live_credentials, "CHECK_SECONDS", 0.05)
    browser = await sign_in(api, "mara", "analytics")
    headers = {"cookie": cookie_of(browser), "sec-fetch-site": "same-origin"}
    async with connect_live(port, **headers) as client:
        await client.send(subscribe="activity")
        await client.receive()
        assert (await browser.request("DELETE", "/console/session")).status == 204
        await client.receive_error("unauthenticated")
        assert await client.wait_closed() == 1008


async def test_a_visitor_token_does_not_open_private_counts(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_COUNTS="off", ANONYMOUS_SHARES="on") as api, serve(api) as (_, port):
        visitor = (await api.request("POST", "/tokens/visitor", user=None)).json["token"]
        async with connect_live(port) as client:
            await client.send(token=visitor, subscribe=[content_fields("video/abc")])
            await client.receive_error("forbidden")
        bearer = {"authorization": f"Bearer {visitor}"}
        for path in ("/share-links/count/video/abc/live", "/share-links/count/video/abc", "/audit", "/share-links"):
            problem(await api.request("GET", path, user=None, headers=bearer), 403, "forbidden")
