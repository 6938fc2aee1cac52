"""What waits, and a look at everything, over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sharetally.domain.errors import Unavailable
from sharetally.domain.proof import VerificationResult
from tests.contracts.database_rows import execute_sql
from tests.web.api import Api, eventually, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio


async def status(api: Api, scope: str = "analytics") -> Any:
    response = await api.request("GET", "/operation/status", scope=scope)
    assert (response.status, response.headers["cache-control"]) == (200, "no-store"), response
    return response.json


async def test_the_backlog_is_reported(make_api: MakeApi) -> None:
    async with make_api(counting=False) as api:
        await api.share("abc", "twitter", "facebook")
        found = await status(api)
        assert (found["eventsPending"], found["eventsParked"], found["lastVerify"]) == (2, 0, None)
        assert found["eventOldestSeconds"] >= 0
        assert {each["queue"] for each in found["queues"]} >= {"count"}


async def test_a_verification_result_is_shown_to_everyone(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter")
    response = await any_api.request("POST", "/operation/verify", scope="admin")
    assert response.status == 200, response
    report = response.json
    assert abs(datetime.fromisoformat(report["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (report["drift"], report["drifted"]) == (0, [])
    assert report["contents"] >= 1
    last = (await status(any_api, "admin"))["lastVerify"]
    assert last == {name: report[name] for name in ("at", "contents", "drift", "seconds")}
    assert await any_api.database.verification_runs.extend_lease(0)  # the next one may begin


async def test_drifted_cells_are_named(api: Api, video: str) -> None:
    await api.share(video, "twitter")
    await api.counted(f"video/{video}")
    await execute_sql(api.database, "UPDATE share_totals SET shares = shares + 5")
    report = (await api.request("POST", "/operation/verify", scope="admin")).json
    assert report["drift"] == 5
    assert report["drifted"] == [
        {"contentType": "video", "contentId": video, "cell": "total", "counted": 6, "pending": 0, "ledger": 1}
    ]


async def test_concurrent_requests_share_one_verification(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, go = list[int](), asyncio.Event()

    async def verify(*_: object) -> VerificationResult:
        looks.append(1)
        await go.wait()
        return VerificationResult(content_items=7, drifted=())

    monkeypatch.setattr(api.database.proof, "verify", verify)
    waiting = [asyncio.create_task(api.request("POST", "/operation/verify", scope="admin")) for _ in range(3)]

    async def looking() -> bool:
        return bool(looks)

    await eventually(looking)
    waiting[0].cancel()  # who leaves does not end it for the others
    go.set()
    response = [await each for each in waiting[1:]]
    assert [each.json["contents"] for each in response] == [7, 7]
    assert len(looks) == 1


async def test_a_failed_verification_does_not_block_the_next(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def verify(*_: object) -> VerificationResult:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(api.database.proof, "verify", verify)
        problem(await api.request("POST", "/operation/verify", scope="admin"), 503, "unavailable")
    assert (await api.request("POST", "/operation/verify", scope="admin")).status == 200


async def test_access_by_scope(readonly_api: Api) -> None:
    problem(await readonly_api.request("GET", "/operation/status", scope="shares audit"), 403, "forbidden")
    problem(await readonly_api.request("POST", "/operation/verify", scope="shares audit analytics"), 403, "forbidden")
