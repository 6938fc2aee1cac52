"""Where to share: the platform's page around a short link of the record, or around the content's own address."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.api import Api
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio


def around(share_url: str, field: str) -> str:
    """The address that a share page is opened with."""
    return parse_qs(urlsplit(share_url).query)[field][0]


async def test_the_share_page_opens_with_the_contents_own_address(api: Api, video: str) -> None:
    response = await api.request("POST", f"/videos/{video}/share", {"platforms": ["twitter"], "text": "Look & see"})
    url = response.json["results"][0]["shareUrl"]
    assert url.startswith("https://x.com/intent/")
    assert around(url, "url") == f"https://www.youtube.com/watch?v={video}"
    assert around(url, "text") == "Look & see"


async def test_a_url_of_ones_own_is_shared_in_its_place(api: Api, video: str) -> None:
    response = await api.request(
        "POST", f"/videos/{video}/share", {"platforms": ["twitter"], "url": "https://www.youtube.com/@us"}
    )
    assert around(response.json["results"][0]["shareUrl"], "url") == "https://www.youtube.com/@us"


async def test_with_a_public_url_it_is_a_short_link_of_the_very_record(make_api: MakeApi, video: str) -> None:
    async with make_api(PUBLIC_URL="https://sh.example/s8", SHARE_PLATFORMS="twitter,facebook,copy") as api:
        response = await api.share(video, "twitter", "copy")
        page, bare = (each["shareUrl"] for each in response.json["results"])
        short = around(page, "url")
        assert short.startswith("https://sh.example/s8/s/")
        assert short.rpartition("/")[2].isalnum()
        assert bare.startswith("https://sh.example/s8/s/")
        assert bare != short
        again = await api.share(video, "twitter")
        assert around(again.json["results"][0]["shareUrl"], "url") == short
        for code in (short.rpartition("/")[2], bare.rpartition("/")[2]):
            followed = await api.request("GET", f"/s/{code}?utm_source=x", user=None)
            assert followed.status == 302
            assert followed.headers["location"] == f"https://www.youtube.com/watch?v={video}"
        assert (await api.request("GET", "/share-links")).json["items"] == []  # no row was written


async def test_native_and_copy_get_the_bare_address(make_api: MakeApi, video: str) -> None:
    async with make_api(SHARE_PLATFORMS="native,copy,twitter") as api:
        response = await api.share(video, "native", "copy")
        assert [each["shareUrl"] for each in response.json["results"]] == [
            f"https://www.youtube.com/watch?v={video}"
        ] * 2


async def test_content_that_lives_nowhere_has_no_share_page(make_api: MakeApi, video: str) -> None:
    async with make_api(PUBLIC_URL="https://sh.example") as api:
        response = await api.request("POST", f"/content/song/{video}/share", {"platforms": ["twitter"]})
        assert response.json["results"][0]["shareUrl"] is None


async def test_an_id_is_encoded_anywhere_in_a_url(api: Api) -> None:
    response = await api.request("POST", "/videos/a%26b%20%C3%A9/share", {"platforms": ["twitter"]})
    assert response.json["video_id"] == "a&b é"
    expected = "https://www.youtube.com/watch?v=a%26b%20%C3%A9"
    assert around(response.json["results"][0]["shareUrl"], "url") == expected
