"""Bodies that are too long, broken, deep, or not what they say they are: refused, and nothing written."""

from __future__ import annotations

import json

import pytest

from tests.web.api import Api, invalid, problem

pytestmark = pytest.mark.anyio
KIB = 1024
SHARE = "/videos/abc/share"


async def nothing_written(api: Api) -> bool:
    return not (await api.ask("GET", "/audit", scope="audit")).json["items"]


def padded(size: int, wish: object) -> bytes:
    """The JSON of a wish, made this long with spaces, which JSON allows anywhere."""
    raw = json.dumps(wish).encode()
    return raw + b" " * (size - len(raw))


@pytest.mark.parametrize(
    ("method", "path", "wish", "told"),
    [
        ("POST", SHARE, {"platforms": ["x"], "mode": "post"}, ("mode", "must be one of server_post, track_only")),
        (
            "POST",
            "/share-links",
            {"contentType": "video", "contentId": "a", "channelId": "a b"},
            ("channelId", "must match [A-Za-z0-9_.-]{1,64}, like `newsletter`"),
        ),
        (
            "POST",
            "/share-links/counts",
            {"contents": [{"contentType": "video", "contentId": "a"}, {"contentType": "Video", "contentId": "a"}]},
            ("contents[1].contentType", "must match [a-z][a-z0-9_-]{0,31}, like `video`"),
        ),
        ("POST", SHARE, {"platforms": [1]}, ("platforms[0]", "expected `str`, got `int`")),
        ("POST", SHARE, [], ("body", "expected `object`, got `array`")),
        (
            "GET",
            "/analytics/shares?interval=week",
            b"",
            (
                "interval",
                "must match ([1-9][0-9]{0,3}[mhdw]|P[1-9][0-9]{0,3}[DW]|PT[1-9][0-9]{0,3}[MH]), like `7d`",
            ),
        ),
    ],
)
async def test_a_fault_tells_what_to_send_instead(
    untouched: Api, method: str, path: str, wish: object, told: tuple[str, str]
) -> None:
    said = problem(await untouched.ask(method, path, wish, scope="shares analytics"), 400, "invalid-request")
    assert [(each["path"], each["reason"]) for each in said["invalid"]] == [told]


async def test_a_body_has_64_kib_at_most(api: Api) -> None:
    wish = {"platforms": ["twitter"]}
    assert (await api.ask("POST", SHARE, padded(64 * KIB, wish))).status == 200
    for size in (64 * KIB + 1, 65 * KIB):
        problem(await api.ask("POST", "/videos/other/share", padded(size, wish)), 413, "too-large")
    assert await api.audited("video/other") == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", SHARE, "shares"),
        ("POST", "/share-links", "shares"),
        ("PATCH", "/share-links/0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f", "shares"),
        ("POST", "/share-links/count/video/abc/adjustments", "admin"),
    ],
)
async def test_every_route_that_is_not_bulk_says_so(untouched: Api, method: str, path: str, scope: str) -> None:
    problem(await untouched.ask(method, path, b" " * (64 * KIB + 1), scope=scope), 413, "too-large")


@pytest.mark.parametrize(
    ("path", "wish", "status"),
    [
        ("/share-links/counts", {"contents": []}, 200),
        (
            "/share-links/adjustments",
            {"adjustments": [{"contentType": "a", "contentId": "b", "operation": "increment", "reason": "r"}]},
            202,
        ),
    ],
)
async def test_a_bulk_body_has_1_mib_at_most(api: Api, path: str, wish: object, status: int) -> None:
    said = await api.ask("POST", path, padded(KIB * KIB, wish), scope="admin")
    assert said.status == status
    problem(await api.ask("POST", path, padded(KIB * KIB + 1, wish), scope="admin"), 413, "too-large")


async def test_what_comes_in_pieces_is_measured_as_it_comes(api: Api) -> None:
    whole = padded(64 * KIB, {"platforms": ["twitter"]})
    pieces = [whole[at : at + 1000] for at in range(0, len(whole), 1000)]
    assert (await api.ask("POST", SHARE, parts=pieces)).status == 200
    problem(await api.ask("POST", "/videos/other/share", parts=[*pieces, b" "]), 413, "too-large")
    said = await api.ask("POST", "/videos/other/share", parts=[b" " * (70 * KIB)], headers={"content-length": "2"})
    problem(said, 413, "too-large")
    assert await api.audited("video/other") == []


@pytest.mark.parametrize("announced", ["9" * 30, "9" * 5000, "²", "-1", "x"])
async def test_what_is_announced_is_not_believed(api: Api, announced: str) -> None:
    said = await api.ask("POST", SHARE, parts=[b"{}"], headers={"content-length": announced})
    if announced.isdecimal():
        problem(said, 413, "too-large")
    else:
        assert said.status == 200


DEEP = 100_000
BROKEN = {
    "empty": b"",
    "spaces": b"  \n ",
    "text": b"platforms=twitter",
    "cut off": b'{"platforms": ["twitter"]',
    "two": b"{}{}",
    "comma": b'{"force": true,}',
    "single quotes": b"{'force': true}",
    "comment": b"{} // share",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"force": true}'.encode("utf-16"),
    "bad UTF-8": b'{"text": "\xff"}',
    "bad UTF-8 in a name": b'{"\xff": 1}',
    "overlong UTF-8": b'{"text": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"text": "\xed\xa0\x80"}',
    "high surrogate": rb'{"text": "\ud800"}',
    "high surrogate before text": rb'{"text": "\ud800abcdefgh"}',
    "low surrogate": rb'{"text": "\udc00"}',
    "surrogates the wrong way": rb'{"text": "\udc00\ud800"}',
    "surrogate in a list": rb'{"platforms": ["twitter", "\ud83d"]}',
    "surrogate in a name": rb'{"\ud800": 1}',
    "NaN": b'{"force": NaN}',
    "Infinity": b'{"force": Infinity}',
    "NUL": b'{"force": true}\0',
    "NUL in text": b'{"text": "a\0b"}',
    "lists": b"[" * DEEP,
    "lists, closed": b"[" * DEEP + b"]" * DEEP,
    "lists in a field": b'{"text": ' + b"[" * 60_000,
    "objects": b'{"a":' * 12_000,
    "objects in a list": b'{"platforms": [' + b'{"a":' * 12_000,
    "number": b"9" * 60_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_no_json_of_ours_is_400(untouched: Api, body: bytes) -> None:
    said = await untouched.ask("POST", SHARE, body[: 64 * KIB])
    assert len(invalid(said)) == 1
    assert await nothing_written(untouched)


NAMES = ["text", "url", "platforms", "contentId", "userId", "reason", "jobId", "channelId", "code\0", "\ufeff"]


@pytest.mark.parametrize("value", [rb'"\ud800"', rb'"a\u0000b"', rb'["\udfff"]', b"1e400", b"-0", b'{"a": null}'])
async def test_no_value_of_any_field_breaks_anything(untouched: Api, value: bytes) -> None:
    good = b'{"contentType": "video", "contentId": "abc", "operation": "increment", "reason": "r", '
    for name in NAMES:
        body = good + json.dumps(name).encode() + b": " + value + b"}"
        for path in (SHARE, "/share-links", "/share-links/counts", "/share-links/count/video/abc/adjustments"):
            assert invalid(await untouched.ask("POST", path, body, scope="admin shares")), (path, body)
    assert await nothing_written(untouched)


async def test_of_a_field_given_twice_the_last_one_holds(api: Api) -> None:
    said = await api.ask("POST", SHARE, b'{"platforms": ["myspace"], "platforms": ["twitter"]}')
    assert [each["platform"] for each in said.json["results"]] == ["twitter"]


async def test_a_body_is_json_whatever_it_is_called(api: Api) -> None:
    for number, kind in enumerate(("application/merge-patch+json", "text/plain", "application/x-www-form-urlencoded")):
        said = await api.ask("POST", f"/videos/{number}/share", parts=[b"{}"], headers={"content-type": kind})
        assert said.status == 200


async def test_real_characters_beyond_the_basic_plane_are_kept(any_api: Api, video: str) -> None:
    for raw in (rf'"{video}\ud83d\ude00"', f'"{video}\U0001f600"'):
        body = f'{{"contentType": "video", "contentId": {raw}}}'.encode()
        said = await any_api.ask("POST", "/share-links", body)
        assert said.json["contentId"] == f"{video}\U0001f600"
    assert await any_api.exact(f"video/{video}%F0%9F%98%80") == 2


async def test_a_body_that_breaks_off_writes_nothing(untouched: Api) -> None:
    assert invalid(await untouched.ask("POST", SHARE, parts=[b'{"platforms": ["twitter"]', b""])) == ["body"]
    assert await nothing_written(untouched)
