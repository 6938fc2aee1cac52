"""Short addresses: where links may lead, and where following one ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sharetally.domain.ids import to_base62
from tests.web.api import Api, HttpResponse, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
HOSTS = "shop.example,www.youtube.com,[2001:db8::1]"


async def create(api: Api, url: str, **fields: str) -> HttpResponse:
    return await api.request("POST", "/share-links", {"contentType": "video", "contentId": "abc", "url": url, **fields})


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "http://shop.example/a?b=c#d",
        "HTTPS://SHOP.EXAMPLE/Path",
        "https://shop.example:8443/",
        "https://shop.example/%0d%0aX:%20y",
        "https://shop.example/?next=https://evil.example/",
        "https://[2001:db8::1]/",
    ],
)
async def test_a_link_leads_to_an_allowed_host_just_as_it_was_written(make_api: MakeApi, url: str) -> None:
    async with make_api(LINK_HOSTS=HOSTS) as api:
        response = await create(api, url)
        assert response.status == 201, response
        followed = await api.request("GET", f"/s/{response.json['code']}", user=None)
        assert (followed.status, followed.headers["location"]) == (302, url)


NOWHERE = [
    "https://evil.example/",
    "https://shop.example.evil.example/",
    "https://evilshop.example/",
    "https://shop.example@evil.example/",
    "https://shop.example:443@evil.example/",
    "https://evil.example#@shop.example/",
    "https://evil.example?@shop.example/",
    "https://user@shop.example/",
    "https://user:password@shop.example/",
    "https://@shop.example/",
    "https://shop.example\\@evil.example/",
    "https:\\\\shop.example/",
    "https://evil.example\\.shop.example/",
    "//shop.example/",
    "///shop.example/",
    "/relative",
    "shop.example",
    "https:shop.example",
    "https:/shop.example",
    "https:///shop.example",
    "https://",
    "http://:80/",
    "https://shop.example:port/",
    "https://shop.example:99999/",
    "javascript:alert(1)//shop.example",
    "javascript://shop.example/%0aalert(1)",
    "data:text/html,hello",
    "ftp://shop.example/",
    "file://shop.example/etc/passwd",
    " https://shop.example/",
    "https://shop.example/ space",
    "https://shop.example/\r\nX-Injected: yes",
    "https://shop.example/\tt",
    "java\nscript:alert(1)",
    "https://ｓhop.example/",
    "https://shop。example/",
    "https://ſhop.example/",
    "https://evil.example／.shop.example/",
    "https://shop.example\u202e/",
    "https://[2001:db8::2]/",
    "https://[shop.example/",
]


async def test_a_link_leads_nowhere_else(make_api: MakeApi) -> None:
    async with make_api(LINK_HOSTS=HOSTS) as api:
        for url in NOWHERE:
            assert invalid_paths(await create(api, url)) == ["url"], url
        assert (await api.request("GET", "/share-links")).json["items"] == []


async def test_by_default_links_lead_to_the_hosts_of_contents(make_api: MakeApi) -> None:
    async with make_api(CONTENT_URLS='{"video": "https://videos.example/{contentId}"}') as api:
        assert (await create(api, "https://videos.example/other")).status == 201
        assert invalid_paths(await create(api, "https://www.youtube.com/")) == ["url"]


async def test_a_star_allows_every_host_and_still_no_other_scheme(make_api: MakeApi) -> None:
    async with make_api(LINK_HOSTS="*") as api:
        assert (await create(api, "https://anywhere.example/")).status == 201
        for url in ("javascript:alert(1)", "https://user@anywhere.example/", "https://bücher.example/"):
            assert invalid_paths(await create(api, url)) == ["url"]


async def test_non_ascii_characters_are_percent_encoded(api: Api) -> None:
    response = await create(api, "https://www.youtube.com/é?q=日")
    assert response.json["url"] == "https://www.youtube.com/é?q=日"
    followed = await api.request("GET", f"/s/{response.json['code']}", user=None)
    assert followed.headers["location"] == "https://www.youtube.com/%C3%A9?q=%E6%97%A5"


async def test_head_redirects_like_get(api: Api) -> None:
    code = (await create(api, "https://www.youtube.com/")).json["code"]
    for method in ("GET", "HEAD"):
        response = await api.request(method, f"/s/{code}", user=None)
        assert (response.status, response.body, response.headers["location"]) == (302, b"", "https://www.youtube.com/")


async def test_a_changed_target_is_followed_at_once(api: Api) -> None:
    link = (await create(api, "https://www.youtube.com/old")).json
    await api.request("PATCH", f"/share-links/{link['id']}", {"url": "https://www.youtube.com/new"})
    response = await api.request("GET", f"/s/{link['code']}", user=None)
    assert response.headers["location"] == "https://www.youtube.com/new"
    assert "no-store" in response.headers["cache-control"]


async def test_an_expired_link_is_gone_and_still_counts(any_api: Api, video: str) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=60)).isoformat()
    body = {"contentType": "video", "contentId": video, "expiresAt": past}
    link = (await any_api.request("POST", "/share-links", body)).json
    problem(await any_api.request("GET", f"/s/{link['code']}", user=None), 410, "gone")
    assert (await any_api.request("HEAD", f"/s/{link['code']}", user=None)).status == 410
    assert (await any_api.counted(f"video/{video}"))["shareCount"] == 1
    assert (await any_api.request("GET", f"/share-links/{link['id']}")).status == 200
    await any_api.request("PATCH", f"/share-links/{link['id']}", {"expiresAt": None})
    assert (await any_api.request("GET", f"/s/{link['code']}", user=None)).status == 302


async def test_codes_are_compared_exactly(any_api: Api, video: str) -> None:
    link = (await any_api.request("POST", "/share-links", {"contentType": "video", "contentId": video})).json
    problem(await any_api.request("GET", f"/s/{link['code'].swapcase()}", user=None), 404, "not-found")


UNKNOWN = ["aB3dE5fG7h", to_base62(UUID(int=7)), "z" * 22, "a", "a" * 500, "%E2%82%AC" * 10, "https%3A%5C%5Cevil", "+"]


@pytest.mark.parametrize("code", UNKNOWN)
async def test_an_unknown_code_is_404(readonly_api: Api, code: str) -> None:
    problem(await readonly_api.request("GET", f"/s/{code}", user=None), 404, "not-found")


async def test_a_redirect_never_leads_to_an_address_from_the_request(api: Api) -> None:
    code = (await create(api, "https://www.youtube.com/")).json["code"]
    query = "url=https://evil.example/&next=//evil.example&next=again&%00=%FF"
    response = await api.request("GET", f"/s/{code}?{query}", user=None, headers={"host": "evil.example"})
    assert response.headers["location"] == "https://www.youtube.com/"


async def test_a_records_code_leads_nowhere_once_its_content_has_no_address(make_api: MakeApi, video: str) -> None:
    async with make_api(PUBLIC_URL="https://sh.example", SHARE_PLATFORMS="copy") as api:
        url = (await api.share(video, "copy")).json["results"][0]["shareUrl"]
    async with make_api(CONTENT_URLS="{}", LINK_HOSTS="*") as api:
        response = await api.request("GET", url.removeprefix("https://sh.example"), user=None)
        problem(response, 404, "not-found")
