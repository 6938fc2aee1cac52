"""The same request sent many times at once, over many connections and two processes, takes effect once.

Every test has its own content item; one system of each kind serves them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.journey.caller import Caller
from tests.oracle.client import Response
from tests.oracle.system import System
from tests.oracle.tables import open_tables

pytestmark = pytest.mark.anyio

SHARE = {"platforms": ["twitter"]}
MANY = 200


@pytest.fixture
def ann(system: System) -> Iterator[Caller]:
    with Caller(system.port, system.token()("ann")) as caller:
        yield caller


def already_shared(response: Response) -> bool:
    assert response.status == 200, response
    return bool(response.json()["results"][0]["alreadyShared"])


async def records(system: System, content_id: str) -> int:
    async with open_tables(system.database) as tables:
        rows = await tables.rows(f"SELECT count(*) FROM share_records WHERE content_id = '{content_id}'")
    return int(rows[0][0])


async def test_of_many_concurrent_shares_exactly_one_is_new(system: System, ann: Caller) -> None:
    responses = await ann.request_concurrently(*[("POST", "/videos/fresh/share", SHARE)] * MANY)
    assert Counter(map(already_shared, responses)) == {False: 1, True: MANY - 1}
    assert await ann.counted("video/fresh") == 1
    assert await records(system, "fresh") == 1
    assert await ann.actions("video/fresh") == ["shared"]


async def test_of_many_concurrent_shares_exactly_one_revives_a_withdrawn_share(system: System, ann: Caller) -> None:
    await ann.request("POST", "/videos/withdrawn/share", SHARE)
    await ann.request("DELETE", "/videos/withdrawn/share/twitter")
    responses = await ann.request_concurrently(*[("POST", "/videos/withdrawn/share", SHARE)] * MANY)
    assert Counter(map(already_shared, responses)) == {False: 1, True: MANY - 1}
    assert await ann.counted("video/withdrawn") == 1
    assert await records(system, "withdrawn") == 1
    assert await ann.actions("video/withdrawn") == ["shared", "withdrawn", "revived"]


async def test_of_many_concurrent_withdrawals_exactly_one_takes_effect(ann: Caller) -> None:
    await ann.request("POST", "/videos/once/share", SHARE)
    responses = await ann.request_concurrently(*[("DELETE", "/videos/once/share/twitter", None)] * MANY)
    assert Counter(response.status for response in responses) == {204: 1, 404: MANY - 1}
    assert await ann.counted("video/once") == 0
    assert await ann.actions("video/once") == ["shared", "withdrawn"]


async def test_concurrent_shares_and_withdrawals_agree_with_the_status(ann: Caller) -> None:
    pairs = [("POST", "/videos/both/share", SHARE), ("DELETE", "/videos/both/share/twitter", None)]
    responses = await ann.request_concurrently(*pairs * (MANY // 2))
    made = sum(not already_shared(response) for response in responses[::2])
    taken_back = Counter(response.status for response in responses[1::2])
    assert taken_back.keys() <= {204, 404}
    status = (await ann.request("GET", "/videos/both/share-status")).json()["platforms"][0]
    assert status["sharedByMe"] == bool(made - taken_back[204])
    assert await ann.counted("video/both") == status["shareCount"] == made - taken_back[204]
    assert len(await ann.actions("video/both")) == min(made + taken_back[204], 100)


async def test_duplicates_under_one_key_get_identical_responses(ann: Caller) -> None:
    key = {"idempotency-key": "twins"}
    responses = await ann.request_concurrently(*[("POST", "/videos/keyed/share", SHARE)] * 50, headers=key)
    assert {(response.status, response.body) for response in responses} == {(200, responses[0].body)}
    assert already_shared(responses[0]) is False
    other = await ann.request("POST", "/videos/keyed/share", {"platforms": ["whatsapp"]}, headers=key)
    assert (other.status, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await ann.counted("video/keyed") == 1


async def test_a_withdrawal_under_one_key_is_answered_as_the_first_time(ann: Caller) -> None:
    for turn in range(5):
        await ann.request("POST", "/videos/taken/share", SHARE)
        key = {"idempotency-key": f"take-{turn}"}
        responses = await ann.request_concurrently(*[("DELETE", "/videos/taken/share/twitter", None)] * 20, headers=key)
        assert {response.status for response in responses} == {204}
    assert await ann.counted("video/taken") == 0


async def test_links_made_under_one_key_are_one_link(ann: Caller) -> None:
    link = {"contentType": "video", "contentId": "linked", "channelId": "newsletter"}
    responses = await ann.request_concurrently(
        *[("POST", "/share-links", link)] * 50, headers={"idempotency-key": "link"}
    )
    assert {(response.status, response.body) for response in responses} == {(201, responses[0].body)}
    target = f"/share-links/{responses[0].json()['id']}"
    deleted = await ann.request_concurrently(*[("DELETE", target, None)] * 50)
    assert Counter(response.status for response in deleted) == {204: 1, 404: 49}
    assert await ann.counted("video/linked") == 0


async def test_a_correction_sent_many_times_counts_once(system: System) -> None:
    body = {"operation": "increment", "amount": 7, "reason": "import", "jobId": "import-1"}
    target = "/share-links/count/video/corrected/adjustments"
    with Caller(system.port, system.token("shares admin")("root")) as root:
        responses = await root.request_concurrently(*[("POST", target, body)] * 50)
        assert {(response.status, response.json()["jobId"]) for response in responses} == {(202, "import-1")}
        assert (await root.request("POST", target, {**body, "amount": 8})).status == 422
        assert await root.counted("video/corrected") == 7
