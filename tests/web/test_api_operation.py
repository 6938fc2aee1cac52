"""What waits, and a look at everything, over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sharetally.domain.errors import Unavailable
from sharetally.domain.proof import Verdict
from tests.contracts.database_rows import run
from tests.web.api import Api, eventually, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio


async def status(api: Api, scope: str = "analytics") -> Any:
    said = await api.ask("GET", "/operation/status", scope=scope)
    assert (said.status, said.headers["cache-control"]) == (200, "no-store"), said
    return said.json


async def test_what_waits(make_api: MakeApi) -> None:
    async with make_api(counting=False) as api:
        await api.share("abc", "twitter", "facebook")
        found = await status(api)
        assert (found["eventsPending"], found["eventsParked"], found["lastVerify"]) == (2, 0, None)
        assert found["eventOldestSeconds"] >= 0
        assert {each["queue"] for each in found["queues"]} >= {"count"}


async def test_a_look_is_told_to_all(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter")
    said = await any_api.ask("POST", "/operation/verify", scope="admin")
    assert said.status == 200, said
    report = said.json
    assert abs(datetime.fromisoformat(report["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (report["drift"], report["drifted"]) == (0, [])
    assert report["contents"] >= 1
    last = (await status(any_api, "admin"))["lastVerify"]
    assert last == {name: report[name] for name in ("at", "contents", "drift", "seconds")}
    assert await any_api.database.begin_look(0)  # the next one may begin


async def test_what_is_off_is_named(api: Api, video: str) -> None:
    await api.share(video, "twitter")
    await api.counted(f"video/{video}")
    await run(api.database, "UPDATE share_totals SET shares = shares + 5")
    report = (await api.ask("POST", "/operation/verify", scope="admin")).json
    assert report["drift"] == 5
    assert report["drifted"] == [
        {"contentType": "video", "contentId": video, "cell": "total", "counted": 6, "pending": 0, "ledger": 1}
    ]


async def test_who_asks_meanwhile_waits_for_the_same_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, go = list[int](), asyncio.Event()

    async def verify(*_: object) -> Verdict:
        looks.append(1)
        await go.wait()
        return Verdict(contents=7, drifted=())

    monkeypatch.setattr(api.database, "verify", verify)
    waiting = [asyncio.create_task(api.ask("POST", "/operation/verify", scope="admin")) for _ in range(3)]

    async def looking() -> bool:
        return bool(looks)

    await eventually(looking)
    waiting[0].cancel()  # who leaves does not end it for the others
    go.set()
    said = [await each for each in waiting[1:]]
    assert [each.json["contents"] for each in said] == [7, 7]
    assert len(looks) == 1


async def test_a_look_that_fails_lets_others_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def verify(*_: object) -> Verdict:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(api.database, "verify", verify)
        problem(await api.ask("POST", "/operation/verify", scope="admin"), 503, "unavailable")
    assert (await api.ask("POST", "/operation/verify", scope="admin")).status == 200


async def test_who_may(untouched: Api) -> None:
    problem(await untouched.ask("GET", "/operation/status", scope="shares audit"), 403, "forbidden")
    problem(await untouched.ask("POST", "/operation/verify", scope="shares audit analytics"), 403, "forbidden")
