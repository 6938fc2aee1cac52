"""Corrections: single and many, each counted once per job id, all or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.api import Api, HttpResponse, invalid_paths, problem

pytestmark = pytest.mark.anyio
BODY: dict[str, Any] = {"operation": "increment", "reason": "import from the old counter"}


async def adjust(api: Api, video: str, *, user: str = "root", scope: str = "admin", **fields: Any) -> HttpResponse:
    return await api.request(
        "POST", f"/share-links/count/video/{video}/adjustments", BODY | fields, user=user, scope=scope
    )


async def adjust_many(api: Api, *lines: dict[str, Any], **how: Any) -> HttpResponse:
    body = {"adjustments": [{"contentType": "video", **BODY, **line} for line in lines]}
    return await api.request("POST", "/share-links/adjustments", body, **{"user": "root", "scope": "admin", **how})


async def test_an_adjustment_is_counted_and_marked_as_one(any_api: Api, video: str) -> None:
    response = await adjust(any_api, video, amount=5, channelId="radio", campaignId="spring", jobId=f"job-{video}")
    assert (response.status, response.json) == (202, {"jobId": f"job-{video}"})
    await adjust(any_api, video, operation="decrement", amount=2, channelId="radio", campaignId="spring")
    shown = await any_api.counted(f"video/{video}")
    assert (shown["shareCount"], shown["breakdown"]) == (
        3,
        {"evidence": {"adjusted": 3}, "channel": {"radio": 3}, "campaign": {"spring": 3}},
    )
    lines = await any_api.audit_lines(f"video/{video}")
    assert [(line["action"], line["actor"]) for line in lines] == [("adjusted", "root")] * 2


async def test_the_default_amount_is_one_and_each_adjustment_gets_a_job_id(any_api: Api, video: str) -> None:
    jobs = [(await adjust(any_api, video)).json["jobId"] for _ in range(2)]
    assert len(set(jobs)) == 2
    assert await any_api.exact_count(f"video/{video}") == 2


async def test_the_same_job_id_twice_counts_once(any_api: Api, video: str) -> None:
    job = f"job-{video}"
    first, second = [await adjust(any_api, video, amount=4, jobId=job) for _ in range(2)]
    assert (first.status, first.body) == (second.status, second.body)
    assert await any_api.exact_count(f"video/{video}") == 4
    others: list[dict[str, Any]] = [{"amount": 5}, {"operation": "decrement"}, {"reason": "another"}]
    for other in (*others, {"channelId": "radio"}):
        response = await adjust(any_api, video, **{"amount": 4, "jobId": job, **other})
        problem(response, 422, "job-id-reused")
    problem(await adjust(any_api, f"{video}-other", amount=4, jobId=job), 422, "job-id-reused")
    assert await any_api.exact_count(f"video/{video}") == 4
    assert len(await any_api.audit_lines(f"video/{video}")) == 1


async def test_job_ids_are_compared_exactly(any_api: Api, video: str) -> None:
    for job in (f"j-{video}", f"J-{video}", f"j-{video} ", f"j-{video}é", f"j-{video}e"):
        assert (await adjust(any_api, video, jobId=job)).json == {"jobId": job}
    assert await any_api.exact_count(f"video/{video}") == 5


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"operation": "set"}, "operation"),
        ({"operation": None}, "operation"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1_000_001}, "amount"),
        ({"amount": 10**30}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"reason": ""}, "reason"),
        ({"reason": "r" * 501}, "reason"),
        ({"reason": "nul \0"}, "reason"),
        ({"jobId": ""}, "jobId"),
        ({"jobId": None}, "jobId"),
        ({"jobId": "j" * 129}, "jobId"),
        ({"jobId": "line\nbreak"}, "jobId"),
        ({"channelId": "a\n"}, "channelId"),
        ({"campaignId": "a/b"}, "campaignId"),
        ({"contentId": "abc"}, "contentId"),
    ],
)
async def test_a_malformed_correction_names_the_field_and_writes_nothing(
    readonly_api: Api, video: str, fields: dict[str, Any], path: str
) -> None:
    assert invalid_paths(await adjust(readonly_api, video, **fields)) == [path]
    line = {"contentId": video, **fields}
    if path != "contentId":
        assert invalid_paths(await adjust_many(readonly_api, {"contentId": video}, line)) == [f"adjustments[1].{path}"]
    assert await readonly_api.audit_lines(f"video/{video}") == []


async def test_a_reason_and_an_operation_are_needed(readonly_api: Api, video: str) -> None:
    address = f"/share-links/count/video/{video}/adjustments"
    for name in BODY:
        body = {key: value for key, value in BODY.items() if key != name}
        assert invalid_paths(await readonly_api.request("POST", address, body, scope="admin")) == [name]


async def test_only_admins_correct(readonly_api: Api, video: str) -> None:
    problem(await adjust(readonly_api, video, scope="shares audit"), 403, "forbidden")
    problem(await adjust_many(readonly_api, {"contentId": video}, scope="shares"), 403, "forbidden")
    problem(await adjust_many(readonly_api, {"contentId": video}, user=None), 401, "unauthenticated")
    assert await readonly_api.exact_count(f"video/{video}") == 0


# many


async def test_many_are_written_in_order(any_api: Api, video: str) -> None:
    other = f"{video}-other"
    lines: list[dict[str, Any]] = [
        {"contentId": video, "jobId": f"1-{video}", "amount": 3},
        {"contentId": other, "jobId": f"2-{video}"},
        {"contentId": video, "jobId": f"3-{video}", "operation": "decrement"},
        {"contentId": video, "jobId": f"1-{video}", "amount": 3},
    ]
    response = await adjust_many(any_api, *lines)
    assert (response.status, response.json) == (202, {"jobIds": [line["jobId"] for line in lines]})
    assert [await any_api.exact_count(f"video/{each}") for each in (video, other)] == [2, 1]
    assert (await adjust_many(any_api, *lines)).body == response.body
    assert [await any_api.exact_count(f"video/{each}") for each in (video, other)] == [2, 1]


async def test_bulk_corrections_are_atomic(any_api: Api, video: str) -> None:
    job = f"job-{video}"
    await adjust(any_api, video, jobId=job)
    response = await adjust_many(any_api, {"contentId": video}, {"contentId": video, "jobId": job, "amount": 2})
    problem(response, 422, "job-id-reused")
    twice = [{"contentId": video, "jobId": f"new-{video}", "amount": amount} for amount in (1, 2)]
    problem(await adjust_many(any_api, *twice), 422, "job-id-reused")
    assert await any_api.exact_count(f"video/{video}") == 1
    assert len(await any_api.audit_lines(f"video/{video}")) == 1


async def test_five_hundred_at_most(any_api: Api, video: str) -> None:
    response = await adjust_many(any_api, *({"contentId": f"{video}-{each % 7}"} for each in range(500)))
    assert (response.status, len(set(response.json["jobIds"]))) == (202, 500)
    assert sum([await any_api.exact_count(f"video/{video}-{each}") for each in range(7)]) == 500
    assert invalid_paths(await adjust_many(any_api, *({"contentId": video} for _ in range(501)))) == ["adjustments"]
    assert invalid_paths(await adjust_many(any_api)) == ["adjustments"]
