"""Posts whose platform, worker or user interferes: what is on the server is what the record says, and never twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sharetally.adapters.platforms import _api
from sharetally.adapters.platforms.mastodon.client import MastodonPublisher
from sharetally.domain.backoff import Backoff
from sharetally.domain.ids import new_id
from sharetally.domain.post import CannotTell, NotThere, OutcomeUnknown, Posted, TryLater
from sharetally.flow.delivery import leases
from sharetally.flow.posting import outcomes
from sharetally.flow.posting.message import post_delivery
from tests.contracts.database_rows import execute_sql
from tests.fakes import mastodon as replies
from tests.fakes.api_server import Ending, Fault
from tests.fakes.mastodon import FakeMastodon
from tests.web.api import Api, eventually, problem
from tests.web.conftest import MakeApi
from tests.web.test_api_posting import api, connect, finished, mastodon, my_status, post, posting_settings, posts

__all__ = ["api", "mastodon"]  # fixtures
pytestmark = pytest.mark.anyio
SERVER_ERROR = replies.BROKEN


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and retries follow at once, and a look believes a list of posts at once."""
    monkeypatch.setattr(_api, "SETTLING", timedelta())
    monkeypatch.setattr(outcomes, "LOOKS", Backoff(first=0.01, longest=0.05))
    monkeypatch.setattr("sharetally.adapters.platforms._api.SETTLING", timedelta())
    monkeypatch.setattr("sharetally.flow.posting.handler.PostHandler.retries", Backoff(first=0.01, longest=0.05))


@pytest.fixture
async def connected(api: Api, mastodon: FakeMastodon) -> str:
    return await connect(api, mastodon)


async def shares(api: Api) -> int:
    return int((await api.counted("video/abc"))["shareCount"])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(carried_out=True, ending=Ending.RESET),
        Fault(carried_out=True, reply=SERVER_ERROR),
        Fault(carried_out=True, ending=Ending.MALFORMED),
        Fault(carried_out=False, ending=Ending.RESET),
        Fault(carried_out=False, reply=SERVER_ERROR),
    ],
    ids=["accepted, reset", "accepted, 500", "accepted, malformed", "not accepted, reset", "not accepted, 500"],
)
async def test_whatever_the_answer_there_is_one_post(
    api: Api, mastodon: FakeMastodon, connected: str, fault: Fault
) -> None:
    mastodon.fail("create", fault)
    await post(api)
    await finished(api, "success")
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_a_server_that_ignores_keys_gets_one_post(api: Api, mastodon: FakeMastodon, connected: str) -> None:
    mastodon.honours_keys = False
    mastodon.fail("create", Fault(carried_out=True, ending=Ending.RESET))
    await post(api)
    await finished(api, "success")
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_what_is_not_there_is_not_sent_again_where_repetitions_are_not_dropped(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MastodonPublisher, "deduplicates", False)
    mastodon.fail("create", Fault(carried_out=False, ending=Ending.RESET))
    await post(api)
    failed = await finished(api, "failed")
    assert (failed["error"]["code"], mastodon.texts(), await shares(api)) == ("not-found", [], 0)
    assert (await my_status(api))["myStatus"] == "failed"
    retried = await api.request("POST", "/videos/abc/share/mastodon/retry")
    assert (retried.status, retried.json["status"]) == (202, "pending")
    second = await finished(api, "success")
    assert second["shortUrl"] != failed["shortUrl"]
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_a_refusal_fails_at_once_and_a_declared_share_stays(
    api: Api, mastodon: FakeMastodon, connected: str
) -> None:
    await api.share("abc", "mastodon")
    shortly = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await post(api, text="longer than this server allows", scheduledAt=shortly)
    mastodon.max_characters = 10  # from now on
    failed = await finished(api, "failed")
    assert "10" in failed["error"]["message"]
    assert ((await my_status(api))["myStatus"], await shares(api), mastodon.texts()) == ("success", 1, [])


async def test_a_revoked_account_asks_to_be_connected_again(api: Api, mastodon: FakeMastodon, connected: str) -> None:
    mastodon.grants.access.clear()
    await post(api)
    failed = await finished(api, "failed")
    assert failed["error"]["code"] == "needs-reauth"
    (account,) = (await api.request("GET", "/accounts")).json["items"]
    assert account["status"] == "needs_reauth"
    assert (await post(api, "other")).status == 400
    await connect(api, mastodon)
    await api.request("POST", "/videos/abc/share/mastodon/retry")
    await finished(api, "success")
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_a_pause_delays_and_never_fails(api: Api, mastodon: FakeMastodon, connected: str) -> None:
    reset = {"x-ratelimit-reset": (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")}
    mastodon.fail("create", Fault(carried_out=False, reply=replies.error(429, replies.TOO_MANY, reset)))
    await post(api)

    async def waits() -> bool:
        return bool(mastodon.faults["create"] == [] and (await posts(api))[0]["status"] == "pending")

    await eventually(waits)
    await finished(api, "success")
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_many_pauses_and_one_passing_failure_do_not_end_a_post(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = Backoff(first=0.01, longest=0.05, attempts=3)
    monkeypatch.setattr("sharetally.flow.posting.handler.PostHandler.retries", retries)
    reset = {"x-ratelimit-reset": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
    pause = Fault(carried_out=False, reply=replies.error(429, replies.TOO_MANY, reset))
    for _ in range(4):
        mastodon.fail("create", pause)
    publish = MastodonPublisher.publish

    async def fails_after_the_pauses(self: MastodonPublisher, *arguments: Any) -> Any:
        if not mastodon.faults["create"] and not failed:
            failed.append(1)
            return TryLater(reason="no connection")
        return await publish(self, *arguments)

    failed: list[int] = []
    monkeypatch.setattr(MastodonPublisher, "publish", fails_after_the_pauses)
    await post(api)
    await finished(api, "success")
    assert (failed, len(mastodon.texts()), await shares(api)) == ([1], 1, 1)


async def test_failures_that_do_not_pass_end_a_post(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = Backoff(first=0.01, longest=0.05, attempts=3)
    monkeypatch.setattr("sharetally.flow.posting.handler.PostHandler.retries", retries)

    async def fails(*_: Any) -> TryLater:
        return TryLater(reason="no connection")

    monkeypatch.setattr(MastodonPublisher, "publish", fails)
    await post(api)
    assert (await finished(api, "failed"))["error"]["code"] == "gave-up"


async def test_a_paused_worker_sends_nothing(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease is too old right before the first byte; whoever looks next finds nothing, and may send."""
    stale = [True]
    monkeypatch.setattr(leases.HeldLease, "stale", property(lambda _: stale.pop() if stale else False))
    await post(api)
    await finished(api, "success")
    assert stale == []
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_many_deliveries_of_one_post_send_it_once(api: Api, mastodon: FakeMastodon, connected: str) -> None:
    response = await post(api, scheduledAt=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    found = await api.database.posts.by_id(UUID(response.json["results"][0]["post"]["id"]))
    assert found is not None
    async with api.database.transaction() as tx:
        wakes = [post_delivery(found, new_id(), "", purpose=f"wake {number}") for number in range(5)]
        await tx.deliveries.enqueue(wakes)
    await finished(api, "success")

    async def all_done() -> bool:
        return not any(each.number for each in (await api.database.deliveries.backlog()).counts)

    await eventually(all_done)
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_a_post_that_is_withdrawn_on_its_way_is_deleted(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, sent, go = MastodonPublisher.publish, asyncio.Event(), asyncio.Event()

    async def slow(self: MastodonPublisher, *arguments: Any) -> Any:
        outcome = await publish(self, *arguments)
        sent.set()
        await go.wait()
        return outcome

    monkeypatch.setattr(MastodonPublisher, "publish", slow)
    await post(api)
    await sent.wait()
    assert (await api.request("DELETE", "/videos/abc/share/mastodon")).status == 204
    go.set()
    await finished(api, "cancelled")
    assert ((await my_status(api))["myStatus"], mastodon.texts(), await shares(api)) == ("withdrawn", [], 0)


@pytest.mark.parametrize("user", ["anna", "olga"])
@pytest.mark.parametrize("posted", [True, False])
async def test_a_person_decides_what_nobody_can_look_up(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch, user: str, posted: bool
) -> None:
    async def lost(*_: Any) -> OutcomeUnknown:
        return OutcomeUnknown(reason="the platform did not answer")

    async def unsure(*_: Any) -> CannotTell:
        return CannotTell(reason="posts of members cannot be read")

    monkeypatch.setattr(MastodonPublisher, "publish", lost)
    monkeypatch.setattr(MastodonPublisher, "look", unsure)
    await post(api)
    unknown = await finished(api, "unknown")
    assert ((await my_status(api))["myStatus"], await shares(api)) == ("unknown", 0)
    body = {"posted": posted} | ({"url": "https://mastodon.social/@anna/1"} if posted else {})
    scope = "admin" if user == "olga" else "shares"
    path = f"/posts/{unknown['recordId']}/decide"
    decided = await api.request("POST", path, body, user=user, scope=scope)
    assert (decided.status, decided.json["status"]) == (200, "success" if posted else "failed")
    assert (await my_status(api))["myStatus"] == ("success" if posted else "failed")
    assert await shares(api) == int(posted)
    problem(await api.request("POST", path, body, user=user, scope=scope), 409, "conflict")
    assert (await api.audit_lines("video/abc"))[-1]["actor"] == user


async def test_a_retry_of_an_unknown_post_looks_and_sends_nothing(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [CannotTell(reason="not now")]

    async def look(*_: Any) -> CannotTell | NotThere:
        return looks[0]

    original = MastodonPublisher.look
    monkeypatch.setattr(MastodonPublisher, "look", look)
    mastodon.fail("create", Fault(carried_out=True, reply=SERVER_ERROR))
    await post(api)
    await finished(api, "unknown")
    monkeypatch.setattr(MastodonPublisher, "look", original)
    retried = await api.request("POST", "/videos/abc/share/mastodon/retry")
    assert (retried.status, retried.json["status"]) == (202, "unknown")
    await finished(api, "success")
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


@pytest.mark.parametrize(("hours", "still_looked_for"), [("1", False), ("3", True)])
async def test_after_the_hours_that_are_set_a_person_decides(
    make_api: MakeApi, mastodon: FakeMastodon, monkeypatch: pytest.MonkeyPatch, hours: str, still_looked_for: bool
) -> None:
    looks = list[int]()

    async def unsure(*_: Any) -> CannotTell:
        looks.append(1)
        return CannotTell(reason="not now")

    monkeypatch.setattr(MastodonPublisher, "look", unsure)
    mastodon.fail("create", Fault(carried_out=True, reply=SERVER_ERROR))
    async with make_api(**posting_settings(mastodon), POST_LOOK_HOURS=hours) as api:
        await connect(api, mastodon)
        await post(api)
        await finished(api, "unknown")
        two_hours_ago = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S.000000")
        await execute_sql(api.database, f"UPDATE posts SET attempted_at = '{two_hours_ago}'")
        before = len(looks)

        async def settled() -> bool:
            waiting = any(each.number for each in (await api.database.deliveries.backlog()).counts)
            return len(looks) > before + 3 if still_looked_for else not waiting

        await eventually(settled)
        assert (await posts(api))[0]["status"] == "unknown"
        decided = await api.request("POST", f"/posts/{(await posts(api))[0]['recordId']}/decide", {"posted": False})
        assert (decided.status, decided.json["status"]) == (200, "failed")


async def test_retries_of_an_unknown_post_do_not_pile_up(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[int]()

    async def unsure(*_: Any) -> CannotTell:
        looks.append(1)
        return CannotTell(reason="not now")

    monkeypatch.setattr(MastodonPublisher, "look", unsure)
    monkeypatch.setattr(outcomes, "LOOKS", Backoff(first=3600.0, longest=3600.0))
    mastodon.fail("create", Fault(carried_out=True, reply=SERVER_ERROR))
    await post(api)
    await finished(api, "unknown")
    for _ in range(3):
        assert (await api.request("POST", "/videos/abc/share/mastodon/retry")).status == 202

    async def only_its_own_delivery_waits() -> bool:
        waiting = sum(each.number for each in (await api.database.deliveries.backlog()).counts)
        return (len(looks), waiting) == (3, 1)

    await eventually(only_its_own_delivery_waits)
    assert (await posts(api))[0]["status"] == "unknown"


async def test_an_address_that_runs_a_script_is_shown_to_nobody(
    api: Api, mastodon: FakeMastodon, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = MastodonPublisher.publish

    async def hostile(self: MastodonPublisher, *arguments: Any) -> Any:
        posted = await publish(self, *arguments)
        assert isinstance(posted, Posted)
        return replace(posted, external_url="javascript:alert(1)")

    monkeypatch.setattr(MastodonPublisher, "publish", hostile)
    await post(api)
    assert (await finished(api, "success")).get("url") is None
    assert "javascript:" not in str(await my_status(api))
