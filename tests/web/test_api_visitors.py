"""Visitors without an account: a token of their own, a cell of their own, and nothing but sharing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from sharetally.domain.caller import is_visitor
from sharetally.web.api.audit.schemas import RecordHistory
from sharetally.web.network import address_block
from tests.web.api import Api, HttpResponse, forge_token, make_settings, problem, start_api
from tests.web.conftest import MakeApi
from tests.web.test_api_callers import now

pytestmark = pytest.mark.anyio
NOBODY = {"user": None}


async def named(api: Api, client: str = "203.0.113.9") -> str:
    response = await api.request("POST", "/tokens/visitor", user=None, client=(client, 40_000))
    assert (response.status, response.json["scope"]) == (200, "visits"), response
    assert response.headers["cache-control"] == "no-store"
    return str(response.json["token"])


async def ask(api: Api, token: str, method: str, path: str, body: object = b"") -> HttpResponse:
    return await api.request(method, path, body, user=None, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
async def open_api(make_api: MakeApi) -> AsyncIterator[Api]:
    async with make_api(ANONYMOUS_SHARES="on") as api:
        yield api


async def test_visitors_are_refused_by_default(api: Api) -> None:
    problem(await api.request("POST", "/tokens/visitor", user=None), 404, "not-found")
    token = forge_token({"sub": "visitor:me", "scope": "visits", "exp": now() + 60})
    problem(await ask(api, token, "POST", "/videos/v/share", {"platforms": ["twitter"]}), 401, "unauthenticated")


@pytest.fixture
async def any_visitors(module_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A service for visitors, once on each kind of database."""
    async with start_api(make_settings(tmp_path, module_database, ANONYMOUS_SHARES="on")) as found:
        yield found


async def test_visitor_shares_have_their_own_cell_and_match_the_ledger(any_visitors: Api, video: str) -> None:
    api, token = any_visitors, await named(any_visitors)
    response = await ask(api, token, "POST", f"/videos/{video}/share", {"platforms": ["twitter", "facebook"]})
    assert [(each["status"], each["evidence"]) for each in response.json["results"]] == [("success", "anonymous")] * 2
    await api.share(video, "twitter")
    counted = await api.counted(f"video/{video}")
    assert (counted["shareCount"], counted["breakdown"]["evidence"]) == (3, {"anonymous": 2, "declared": 1})
    assert (await ask(api, token, "DELETE", f"/videos/{video}/share/facebook")).status == 204
    again = await ask(api, token, "POST", f"/videos/{video}/share", {"platforms": ["twitter"], "force": True})
    assert again.json["results"][0]["alreadyShared"]
    counted = await api.counted(f"video/{video}")
    assert counted["breakdown"]["evidence"] == {"anonymous": 1, "declared": 1}
    proof = (await api.request("GET", f"/proof/video/{video}")).json
    cells = {cell["cell"]: (cell["ledger"], cell["drift"]) for cell in proof["cells"]}
    assert cells["evidence:anonymous"] == (1, 0)
    assert cells["rollup:twitter/anonymous"] == (1, 0)
    assert not any(drift for _, drift in cells.values())


async def test_visitors_see_their_own_shares(open_api: Api, video: str) -> None:
    token = await named(open_api)
    await ask(open_api, token, "POST", f"/videos/{video}/share", {"platforms": ["linkedin"]})
    mine = (await ask(open_api, token, "GET", f"/videos/{video}/share-status")).json["platforms"]
    assert [each["platform"] for each in mine if each["sharedByMe"]] == ["linkedin"]
    (line,) = await open_api.audit_lines(f"video/{video}")
    assert is_visitor(line["userId"])
    assert line["userId"] == line["actor"]
    life = await open_api.request("GET", f"/audit/records/{line['recordId']}", scope="audit")
    record = msgspec.convert(life.json, RecordHistory).record  # as the OpenAPI document promises it
    assert (record and (record.userId, record.evidence)) == (line["userId"], "anonymous")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/share-links", {"contentType": "video", "contentId": "v"}),
        ("GET", "/share-links", b""),
        ("GET", "/audit", b""),
        ("GET", "/proof/video/v", b""),
        ("POST", "/videos/v/share/twitter/retry", b""),
        ("POST", "/share-links/count/video/v/adjustments", {"operation": "increment", "reason": "I like it"}),
        ("POST", "/tokens", {"userId": "anna"}),
    ],
)
async def test_they_may_do_nothing_else(open_api: Api, method: str, path: str, body: object) -> None:
    problem(await ask(open_api, await named(open_api), method, path, body), 403, "forbidden")


async def test_private_counts_are_private_to_them_too(make_api: MakeApi) -> None:
    async with make_api(ANONYMOUS_SHARES="on", PUBLIC_COUNTS="off") as api:
        problem(await ask(api, await named(api), "GET", "/share-links/count/video/v"), 403, "forbidden")


async def test_a_visitor_gets_no_scope_by_saying_so(open_api: Api) -> None:
    token = forge_token({"sub": "visitor:me", "scope": "admin shares audit", "exp": now() + 60})
    problem(await ask(open_api, token, "GET", "/audit"), 403, "forbidden")


async def test_no_server_and_no_user_is_taken_for_a_visitor(open_api: Api) -> None:
    key = await open_api.key("shop", "act-as", "shares")
    headers = {"authorization": f"Bearer {key}", "x-user-id": "visitor:me"}
    problem(await open_api.request("GET", "/audit", user=None, headers=headers), 400, "invalid-request")
    response = await open_api.request(
        "POST", "/tokens", {"userId": "visitor:me"}, user=None, headers={"x-api-key": key}
    )
    problem(response, 400, "invalid-request")


async def test_an_address_creates_a_limited_number_of_visitors(make_api: MakeApi) -> None:
    async with make_api(ANONYMOUS_SHARES="on", ANONYMOUS_RATE="2/hour") as api:
        first, second = await named(api), await named(api)
        assert first != second
        response = await api.request("POST", "/tokens/visitor", user=None)
        problem(response, 429, "rate-limited")
        assert int(response.headers["retry-after"]) > 0
        await named(api, "203.0.113.10")
        assert (await api.request("POST", "/tokens/visitor", user=None, client=("2001:db8::1", 1))).status == 200
        assert (await api.request("POST", "/tokens/visitor", user=None, client=("2001:db8::2", 1))).status == 200
        problem(await api.request("POST", "/tokens/visitor", user=None, client=("2001:db8::3", 1)), 429, "rate-limited")


async def test_all_visitors_of_an_address_write_within_one_limit(make_api: MakeApi) -> None:
    async with make_api(ANONYMOUS_SHARES="on", RATE_LIMIT="2/hour") as api:
        for video in ("a", "b"):
            response = await ask(api, await named(api), "POST", f"/videos/{video}/share", {"platforms": ["twitter"]})
            assert response.status == 200
        response = await ask(api, await named(api), "POST", "/videos/c/share", {"platforms": ["twitter"]})
        problem(response, 429, "rate-limited")


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", ""),
    ],
)
def test_addresses_are_grouped_into_blocks(address: str, block: str) -> None:
    assert address_block(address) == block
