"""Bodies that are too long, broken, deep, or not what they say they are: refused, and nothing written."""

from __future__ import annotations

import json

import pytest

from tests.web.api import Api, invalid_paths, problem

pytestmark = pytest.mark.anyio
KIB = 1024
SHARE = "/videos/abc/share"


async def nothing_written(api: Api) -> bool:
    return not (await api.request("GET", "/audit", scope="audit")).json["items"]


def padded(size: int, body: object) -> bytes:
    """The JSON of a request, padded to this length with spaces, which JSON allows anywhere."""
    raw = json.dumps(body).encode()
    return raw + b" " * (size - len(raw))


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
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
async def test_an_error_explains_what_to_send_instead(
    readonly_api: Api, method: str, path: str, body: object, told: tuple[str, str]
) -> None:
    response = problem(await readonly_api.request(method, path, body, scope="shares analytics"), 400, "invalid-request")
    assert [(each["path"], each["reason"]) for each in response["invalid"]] == [told]


async def test_a_body_has_64_kib_at_most(api: Api) -> None:
    body = {"platforms": ["twitter"]}
    assert (await api.request("POST", SHARE, padded(64 * KIB, body))).status == 200
    for size in (64 * KIB + 1, 65 * KIB):
        problem(await api.request("POST", "/videos/other/share", padded(size, body)), 413, "too-large")
    assert await api.audit_lines("video/other") == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", SHARE, "shares"),
        ("POST", "/share-links", "shares"),
        ("PATCH", "/share-links/0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f", "shares"),
        ("POST", "/share-links/count/video/abc/adjustments", "admin"),
    ],
)
async def test_every_route_but_the_bulk_ones_refuses_a_large_body(
    readonly_api: Api, method: str, path: str, scope: str
) -> None:
    problem(await readonly_api.request(method, path, b" " * (64 * KIB + 1), scope=scope), 413, "too-large")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/share-links/counts", {"contents": []}, 200),
        (
            "/share-links/adjustments",
            {"adjustments": [{"contentType": "a", "contentId": "b", "operation": "increment", "reason": "r"}]},
            202,
        ),
    ],
)
async def test_a_bulk_body_has_1_mib_at_most(api: Api, path: str, body: object, status: int) -> None:
    response = await api.request("POST", path, padded(KIB * KIB, body), scope="admin")
    assert response.status == status
    problem(await api.request("POST", path, padded(KIB * KIB + 1, body), scope="admin"), 413, "too-large")


async def test_chunked_bodies_are_measured_while_read(api: Api) -> None:
    whole = padded(64 * KIB, {"platforms": ["twitter"]})
    pieces = [whole[at : at + 1000] for at in range(0, len(whole), 1000)]
    assert (await api.request("POST", SHARE, chunks=pieces)).status == 200
    problem(await api.request("POST", "/videos/other/share", chunks=[*pieces, b" "]), 413, "too-large")
    response = await api.request(
        "POST", "/videos/other/share", chunks=[b" " * (70 * KIB)], headers={"content-length": "2"}
    )
    problem(response, 413, "too-large")
    assert await api.audit_lines("video/other") == []


@pytest.mark.parametrize("announced", ["9" * 30, "9" * 5000, "²", "-1", "x"])
async def test_the_content_length_header_is_not_trusted(api: Api, announced: str) -> None:
    response = await api.request("POST", SHARE, chunks=[b"{}"], headers={"content-length": announced})
    if announced.isdecimal():
        problem(response, 413, "too-large")
    else:
        assert response.status == 200


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
async def test_invalid_json_is_400(readonly_api: Api, body: bytes) -> None:
    response = await readonly_api.request("POST", SHARE, body[: 64 * KIB])
    assert len(invalid_paths(response)) == 1
    assert await nothing_written(readonly_api)


NAMES = ["text", "url", "platforms", "contentId", "userId", "reason", "jobId", "channelId", "code\0", "\ufeff"]


@pytest.mark.parametrize("value", [rb'"\ud800"', rb'"a\u0000b"', rb'["\udfff"]', b"1e400", b"-0", b'{"a": null}'])
async def test_no_value_of_any_field_breaks_anything(readonly_api: Api, value: bytes) -> None:
    good = b'{"contentType": "video", "contentId": "abc", "operation": "increment", "reason": "r", '
    for name in NAMES:
        body = good + json.dumps(name).encode() + b": " + value + b"}"
        for path in (SHARE, "/share-links", "/share-links/counts", "/share-links/count/video/abc/adjustments"):
            assert invalid_paths(await readonly_api.request("POST", path, body, scope="admin shares")), (path, body)
    assert await nothing_written(readonly_api)


async def test_the_last_value_of_a_repeated_field_is_used(api: Api) -> None:
    response = await api.request("POST", SHARE, b'{"platforms": ["myspace"], "platforms": ["twitter"]}')
    assert [each["platform"] for each in response.json["results"]] == ["twitter"]


async def test_a_body_is_read_as_json_whatever_its_content_type(api: Api) -> None:
    for number, kind in enumerate(("application/merge-patch+json", "text/plain", "application/x-www-form-urlencoded")):
        response = await api.request("POST", f"/videos/{number}/share", chunks=[b"{}"], headers={"content-type": kind})
        assert response.status == 200


async def test_real_characters_beyond_the_basic_plane_are_kept(any_api: Api, video: str) -> None:
    for raw in (rf'"{video}\ud83d\ude00"', f'"{video}\U0001f600"'):
        body = f'{{"contentType": "video", "contentId": {raw}}}'.encode()
        response = await any_api.request("POST", "/share-links", body)
        assert response.json["contentId"] == f"{video}\U0001f600"
    assert await any_api.exact_count(f"video/{video}%F0%9F%98%80") == 2


async def test_a_body_that_breaks_off_writes_nothing(readonly_api: Api) -> None:
    assert invalid_paths(await readonly_api.request("POST", SHARE, chunks=[b'{"platforms": ["twitter"]', b""])) == [
        "body"
    ]
    assert await nothing_written(readonly_api)
