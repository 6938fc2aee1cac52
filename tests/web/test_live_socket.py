"""`/live`: the count as it stands, then as it moves; who may, how much, and how it ends."""

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
from sharetally.web.live import credentials as live_credentials
from sharetally.web.live import socket as live_socket
from sharetally.web.serving.server import Server
from sharetally.web.who.sessions import SESSION_TTL
from tests.web.api import Api, eventually, problem
from tests.web.browsing import Browser, signed_in
from tests.web.conftest import MakeApi
from tests.web.live import following, named, served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def serving(api: Api) -> AsyncIterator[tuple[Server, int]]:
    async with served(api) as found:
        yield found


@pytest.fixture
def port(serving: tuple[Server, int]) -> int:
    return serving[1]


async def test_the_count_as_it_stands_then_as_it_moves(api: Api, port: int) -> None:
    await api.share("abc", "twitter")
    shown = await api.counted("video/abc")
    async with following(port) as client:
        await client.subscribe("video/abc")
        assert await client.hears() == shown
        await api.share("abc", "whatsapp")
        assert (await client.hears_count(2))["breakdown"]["channel"] == {"twitter": 1, "whatsapp": 1}
        await api.ask("DELETE", "/videos/abc/share/twitter")
        assert (await client.hears_count(1)) == await api.counted("video/abc")


async def test_what_nobody_shared_is_0_and_moves_too(api: Api, port: int) -> None:
    async with following(port) as client:
        await client.subscribe("video/new")
        said = await client.hears()
        assert (said["shareCount"], said["version"], said["asOf"]) == (0, 0, None)
        await api.share("new", "twitter")
        await client.hears_count(1)


async def test_two_follow_one_content_and_each_its_own(api: Api, port: int) -> None:
    async with following(port) as one, following(port) as other:
        await one.subscribe("video/a", "article/b")
        await other.subscribe("article/b")
        assert {(said := await one.hears())["contentId"], (await one.hears())["contentId"]} == {"a", "b"}, said
        await other.hears()
        await api.share("a", "twitter")
        assert (await one.hears_count(1))["contentId"] == "a"
        await api.ask("POST", "/content/article/b/share", {"platforms": ["twitter"]})
        assert (await one.hears())["contentId"] == "b"
        assert (await other.hears())["contentId"] == "b"


async def test_who_has_the_version_is_told_only_of_another(api: Api, port: int) -> None:
    await api.share("abc", "twitter")
    version = (await api.counted("video/abc"))["version"]
    async with following(port) as client:
        await client.subscribe("video/abc", version=version)
        await client.subscribe("video/other")
        assert (await client.hears())["contentId"] == "other"
        await client.say(unsubscribe=[named("video/other")])
        await api.share("abc", "whatsapp")
        assert (await client.hears())["shareCount"] == 2
    async with following(port) as client:
        await client.subscribe("video/abc", version=version)
        assert (await client.hears())["shareCount"] == 2


async def test_what_is_followed_no_longer_is_not_told(api: Api, port: int) -> None:
    async with following(port) as client:
        await client.subscribe("video/abc", "video/other")
        await client.hears()
        await client.hears()
        await client.say(unsubscribe=[named("video/abc")])
        await api.share("abc", "twitter")
        await api.share("other", "twitter")
        assert (await client.hears())["contentId"] == "other"


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
async def test_what_cannot_be_read_is_told_and_harms_nothing(
    api: Api, port: int, message: str | bytes, path: str
) -> None:
    async with following(port) as client:
        await client.connection.send(message)
        assert [each["path"] for each in (await client.refused("invalid-request"))["invalid"]] == [path]
        await client.subscribe("video/abc")
        assert (await client.hears())["shareCount"] == 0


async def test_one_client_follows_1000_contents_and_nothing_of_what_would_be_more(api: Api, port: int) -> None:
    async with following(port) as client:
        for start in (0, 200, 400, 600, 800):
            await client.subscribe(*(f"video/{number}" for number in range(start, min(start + 200, 999))))
        assert {(await client.hears())["contentId"] for _ in range(999)} == {str(number) for number in range(999)}
        await client.subscribe("video/half", "video/done")
        await client.refused("invalid-request")
        await api.share("half", "twitter")
        await client.subscribe("video/998", "video/last")
        assert {(await client.hears())["contentId"] for _ in range(2)} == {"998", "last"}
        await client.subscribe("video/more")
        await client.refused("invalid-request")
        await api.share("last", "twitter")
        assert await client.hears_count(1) == await api.counted("video/last")
        await api.share("0", "twitter")
        assert await client.hears_count(1) == await api.counted("video/0")


async def test_one_message_names_200_contents_and_no_more(port: int) -> None:
    async with following(port) as client:
        await client.subscribe(*(f"video/{number}" for number in range(201)))
        assert [each["path"] for each in (await client.refused("invalid-request"))["invalid"]] == ["subscribe"]
        await client.subscribe("video/0")
        assert (await client.hears())["contentId"] == "0"


async def test_a_message_holds_200_contents_with_the_longest_ids(port: int) -> None:
    longest = ["𝄞" * 125 + f"{number:03}" for number in range(200)]
    async with following(port) as client:
        wanted = [{"contentType": "a" * 32, "contentId": each, "version": 2**53} for each in longest]
        await client.connection.send(json.dumps({"subscribe": wanted}, ensure_ascii=False))
        assert [(await client.hears())["contentId"] for _ in longest] == longest


async def test_a_message_that_is_too_long_closes(port: int) -> None:
    async with following(port) as client:
        await client.connection.send("x" * 300_000)
        assert await client.closed() == 1009


async def test_a_message_in_very_many_pieces_closes(port: int) -> None:
    async with following(port) as client:
        with suppress(ConnectionClosed):
            await client.connection.send([""] * 1_100)
        assert await client.closed() == 1009


async def test_a_message_may_come_in_pieces(port: int) -> None:
    async with following(port) as client:
        await client.connection.send(json.dumps({"subscribe": [named("video/abc")]}))
        await client.connection.send(iter(json.dumps({"subscribe": [named("video/other")]})))
        assert {(await client.hears())["contentId"] for _ in range(2)} == {"abc", "other"}


async def test_who_talks_too_much_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MESSAGES", 3)
    async with following(port) as client:
        for _ in range(4):
            await client.say()
        await client.refused("forbidden")
        assert await client.closed() == 1008


# who may


async def test_a_refusal_is_no_error_in_the_log(serving: tuple[Server, int], caplog: pytest.LogCaptureFixture) -> None:
    server, port = serving
    for strange in ({"path": "/live", "origin": "https://evil.example"}, {"path": "/nothing"}):
        with pytest.raises(InvalidStatus):
            async with following(port, **strange):
                pass
    await eventually(lambda: _all_done(server))
    assert [line.getMessage() for line in caplog.records if line.levelname in {"WARNING", "ERROR"}] == []


async def _all_done(server: Server) -> bool:
    return not server.server_state.tasks


async def test_a_page_of_a_stranger_is_refused(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with following(port, origin="https://elsewhere.example"):
            pass
    assert refused.value.response.status_code == 403
    assert b"/problems/forbidden" in (refused.value.response.body or b"")


async def test_our_own_pages_and_those_that_may_are_let_in(make_api: MakeApi) -> None:
    settings = {"CORS_ORIGINS": "https://shop.example", "PUBLIC_URL": "https://share.example"}
    async with make_api(**settings) as api, served(api) as (_, port):
        for origin in (f"http://127.0.0.1:{port}", "https://shop.example", "https://share.example"):
            async with following(port, origin=origin) as client:
                await client.subscribe("video/abc")
                await client.hears()
        for origin in ("https://shop.example.evil.example", "http://shop.example", "null", "http://["):
            with pytest.raises(InvalidStatus) as refused:
                async with following(port, origin=origin):
                    pass
            assert refused.value.response.status_code == 403


async def test_another_path_speaks_no_websocket(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with following(port, "/livelier"):
            pass
    assert refused.value.response.status_code == 404
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


async def test_who_asks_without_websocket_is_told_to(port: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for said in (await client.get("/live"), await client.head("/live")):
            assert (said.status_code, said.headers["upgrade"]) == (426, "websocket")
            assert said.headers["connection"] == "upgrade"
            assert said.headers["content-type"] == "application/problem+json"
        body = (await client.get("/live")).json()
        assert (body["status"], "WebSocket client" in body["detail"]) == (426, True)
        assert (await client.get(body["type"])).status_code == 200
        assert (await client.post("/live")).headers["allow"] == "GET, HEAD"


async def test_without_public_counts_a_token_comes_first(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_COUNTS="off") as api, served(api) as (_, port):
        async with following(port) as client:
            await client.say(token=api.token(), subscribe=[named("video/abc")])
            assert (await client.hears())["shareCount"] == 0
        async with following(port, authorization=f"Bearer {api.token()}") as client:
            await client.subscribe("video/abc")
            assert (await client.hears())["shareCount"] == 0
        async with following(port) as client:
            await client.subscribe("video/abc")
            await client.refused("unauthenticated")
            assert await client.closed() == 1008
        async with following(port) as client:
            await client.say(token="ey.no.token", subscribe=[named("video/abc")])
            await client.refused("unauthenticated")
            assert await client.closed() == 1008
        with pytest.raises(InvalidStatus) as refused:
            async with following(port, authorization="Bearer ey.no.token"):
                pass
        assert refused.value.response.status_code == 401


async def test_who_sends_no_token_in_time_is_closed(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_credentials, "TOKEN_SECONDS", 0.05)
    async with make_api(PUBLIC_COUNTS="off") as api, served(api) as (_, port), following(port) as client:
        await client.refused("unauthenticated")
        assert await client.closed() == 1008


async def test_a_credential_that_holds_no_longer_ends_it(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_credentials, "CHECK_SECONDS", 0.05)
    async with make_api(PUBLIC_COUNTS="off") as api, served(api) as (_, port), following(port) as client:
        await client.say(token=await api.key("till", "shares"), subscribe=[named("video/abc")])
        await client.hears()
        (key,) = await api.database.keys()
        monkeypatch.setattr("sharetally.web.who.identity.ApiKeys._looked_up", _revoked)
        monkeypatch.setattr("sharetally.web.who.remembered.Remembered.get", lambda *_: None)
        assert key.name == "till"
        await client.refused("unauthenticated")
        assert await client.closed() == 1008


async def _revoked(*_: object) -> None:
    return None


# activity


async def test_activity_needs_its_scope(api: Api, port: int) -> None:
    async with following(port) as client:
        await client.say(subscribe="activity")
        await client.refused("unauthenticated")
        assert await client.closed() == 1008
    async with following(port) as client:
        await client.say(token=api.token(), subscribe="activity")
        await client.refused("forbidden")
        await client.subscribe("video/abc")
        await client.hears()


async def test_the_last_hour_then_the_minutes_that_changed(api: Api, port: int) -> None:
    await api.share("abc", "twitter", "whatsapp")
    await api.share("abc", "twitter", user="bert")
    await api.counted("video/abc")
    async with following(port) as client:
        await client.say(token=api.token(scope="analytics"), subscribe="activity")
        found: dict[str, int] = {}
        while found != {"twitter": 2, "whatsapp": 1}:
            for row in (await client.hears())["activity"]:
                assert abs((datetime.now(UTC) - datetime.fromisoformat(row["minute"])).total_seconds()) < 120
                found[row["channel"]] = row["shares"]
        await api.share("abc", "facebook")
        rows = (await client.hears())["activity"]
        assert {row["channel"]: row["shares"] for row in rows}["facebook"] == 1
        await client.say(unsubscribe="activity")


# bounds and ends


async def test_who_comes_to_a_full_house_is_told_so(make_api: MakeApi) -> None:
    async with make_api(LIVE_CLIENTS="1") as api, served(api) as (_, port):
        async with following(port) as client:
            await client.subscribe("video/abc")
            await client.hears()
            assert "sharetally_live_subscribers 1.0" in await _metrics(api)
            with pytest.raises(InvalidStatus) as refused:
                async with following(port):
                    pass
            assert refused.value.response.status_code == 503
        await eventually(lambda: _followers(api, 0))


async def _metrics(api: Api) -> str:
    return (await api.ask("GET", "/metrics", scope="admin")).body.decode()


async def test_the_end_tells_clients_to_come_back(serving: tuple[Server, int]) -> None:
    server, port = serving
    clients = []
    for _ in range(3):
        manager = following(port)
        clients.append((manager, await manager.__aenter__()))
    for _, client in clients:
        await client.subscribe("video/abc")
        await client.hears()
    ended = asyncio.create_task(server.shutdown())
    assert [await client.closed() for _, client in clients] == [1012] * 3
    await ended
    for manager, _ in clients:
        await manager.__aexit__(None, None, None)


async def test_a_client_that_never_reads_is_closed_and_others_are_told(
    api: Api, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [f"video/{number}" for number in range(100)]
    async with AsyncExitStack() as stack:
        quick = await stack.enter_async_context(following(port))
        monkeypatch.setattr(live_socket, "PATIENCE", 0.2)  # for who comes from now on
        stuck = await stack.enter_async_context(following(port))
        for client in (quick, stuck):
            await client.subscribe(*contents)
        assert {(await quick.hears())["contentId"] for _ in contents} == {each.split("/")[1] for each in contents}
        stuck.connection.transport.pause_reading()
        for version in range(1, 21):
            api.core.live.heard([_much(number, version) for number in range(100)])
            for _ in contents:
                assert (await quick.hears())["version"] == version
        await eventually(lambda: _followers(api, 1))
        stuck.connection.transport.resume_reading()
        assert await stuck.closed() == 1013


def _much(number: int, version: int) -> Count:
    """A count that takes some kilobytes to tell."""
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


async def test_the_console_follows_by_its_cookie_from_its_own_pages_alone(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS="https://shop.example") as api, served(api) as (_, port):
        cookie = cookie_of(await signed_in(api, "mara", "analytics"))
        for own in ({"origin": f"http://127.0.0.1:{port}"}, {"sec-fetch-site": "same-origin"}):
            async with following(port, cookie=cookie, **own) as client:
                await client.say(subscribe="activity")
                assert "activity" in await client.hears()
        for strange in ({"origin": "https://shop.example"}, {"sec-fetch-site": "cross-site"}, {}):
            async with following(port, cookie=cookie, **strange) as client:
                await client.say(subscribe="activity")
                await client.refused("unauthenticated")
                assert await client.closed() == 1008


def cookie_of(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.jar.items())


async def test_signing_out_ends_what_is_open(api: Api, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live_credentials.CHECK_SECONDS + SESSION_TTL <= 10, "what is told of it, for what another process remembers"
    monkeypatch.setattr(live_credentials, "CHECK_SECONDS", 0.05)
    browser = await signed_in(api, "mara", "analytics")
    headers = {"cookie": cookie_of(browser), "sec-fetch-site": "same-origin"}
    async with following(port, **headers) as client:
        await client.say(subscribe="activity")
        await client.hears()
        assert (await browser.ask("DELETE", "/console/session")).status == 204
        await client.refused("unauthenticated")
        assert await client.closed() == 1008


async def test_a_visitors_token_does_not_open_what_is_closed(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_COUNTS="off", ANONYMOUS_SHARES="on") as api, served(api) as (_, port):
        visitor = (await api.ask("POST", "/tokens/visitor", user=None)).json["token"]
        async with following(port) as client:
            await client.say(token=visitor, subscribe=[named("video/abc")])
            await client.refused("forbidden")
        bearer = {"authorization": f"Bearer {visitor}"}
        for path in ("/share-links/count/video/abc/live", "/share-links/count/video/abc", "/audit", "/share-links"):
            problem(await api.ask("GET", path, user=None, headers=bearer), 403, "forbidden")
