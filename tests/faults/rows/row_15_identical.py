"""Two hundred identical requests arrive at the same moment over as many connections: with one key, without a key, and
with one key and two different bodies. One of them has an effect; the others get its answer, are told that the
share exists already, or are refused.

On the database servers, counts are cached in Redis in this row.
"""

from __future__ import annotations

from collections import Counter

from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row
from tests.journey.caller import Caller
from tests.oracle.client import Response
from tests.oracle.expected import Correction, Link
from tests.oracle.system import System

MANY = 200
ROUNDS = 5
KEY = "idempotency-key"
TWITTER, WHATSAPP = {"platforms": ["twitter"]}, {"platforms": ["whatsapp"]}


async def perform(harness: FaultHarness) -> None:
    async with harness.open(harness.topology(cache=harness.database != "sqlite")) as system, harness.load(seconds=15):
        for number in range(ROUNDS):
            with Caller(system.port, harness.promises.token(f"twin-{number}")) as caller:
                await _without_a_key(harness, caller, number)
                await _one_key(harness, caller, number)
                await _two_bodies(harness, caller, number)
                await _one_link(harness, caller, number)
            await _one_correction(harness, system, number)
        harness.note(f"{ROUNDS} rounds of {MANY}: no key, one key, one key and two bodies, a link, a correction")


async def _without_a_key(harness: FaultHarness, caller: Caller, number: int) -> None:
    answers = await caller.request_concurrently(*[("POST", f"/videos/plain-{number}/share", TWITTER)] * MANY)
    harness.promises.record_responses("no key", *answers)
    already = Counter(response.json()["results"][0]["alreadyShared"] for response in answers)
    _hold(harness, f"no key: {already}", already == {False: 1, True: MANY - 1})
    _shared(harness, number, "plain", "twitter")


async def _one_key(harness: FaultHarness, caller: Caller, number: int) -> None:
    requests = [("POST", f"/videos/keyed-{number}/share", TWITTER)] * MANY
    answers = await caller.request_concurrently(*requests, headers={KEY: f"one-{number}"})
    harness.promises.record_responses("one key", *answers)
    same = {(response.status, response.body) for response in answers}
    _hold(harness, f"one key: {same}", len(same) == 1 and answers[0].status == 200)
    _hold(harness, f"the first is no repetition: {answers[0]}", not answers[0].json()["results"][0]["alreadyShared"])
    _shared(harness, number, "keyed", "twitter")


async def _two_bodies(harness: FaultHarness, caller: Caller, number: int) -> None:
    target = f"/videos/torn-{number}/share"
    pairs = [("POST", target, TWITTER), ("POST", target, WHATSAPP)] * (MANY // 2)
    answers = await caller.request_concurrently(*pairs, headers={KEY: f"torn-{number}"})
    harness.promises.record_responses("one key, two bodies", *answers)
    found = Counter(
        (body["platforms"][0], response.status) for (_, _, body), response in zip(pairs, answers, strict=True)
    )
    won, lost = ("twitter", "whatsapp") if found["twitter", 200] else ("whatsapp", "twitter")
    _hold(harness, f"two bodies: {found}", found == {(won, 200): MANY // 2, (lost, 422): MANY // 2})
    _shared(harness, number, "torn", won)


async def _one_link(harness: FaultHarness, caller: Caller, number: int) -> None:
    body = {"contentType": "video", "contentId": f"linked-{number}", "channelId": "newsletter"}
    answers = await caller.request_concurrently(
        *[("POST", "/share-links", body)] * MANY, headers={KEY: f"link-{number}"}
    )
    harness.promises.record_responses("one link", *answers)
    same = {(response.status, response.body) for response in answers}
    _hold(harness, f"one link: {same}", len(same) == 1 and answers[0].status == 201)
    link = Link(("video", f"linked-{number}"), f"twin-{number}", "newsletter", "")
    harness.promises.expected.create_link(str(answers[0].json()["id"]), link)


async def _one_correction(harness: FaultHarness, system: System, number: int) -> None:
    """Under one job id, which is as good as a key."""
    body = {"operation": "increment", "amount": 3, "reason": "by hand", "jobId": f"job-{number}"}
    target = f"/share-links/count/video/corrected-{number}/adjustments"
    with Caller(system.port, harness.promises.token("admin-twin")) as caller:
        answers: list[Response] = await caller.request_concurrently(*[("POST", target, body)] * MANY)
    harness.promises.record_responses("one correction", *answers)
    found = Counter((response.status, response.json().get("jobId")) for response in answers)
    _hold(harness, f"one correction: {found}", found == {(202, f"job-{number}"): MANY})
    correction = Correction(("video", f"corrected-{number}"), "admin-twin", 3, "", "")
    harness.promises.expected.correct(f"job-{number}", correction)


def _shared(harness: FaultHarness, number: int, content: str, platform: str) -> None:
    harness.promises.expected.share((("video", f"{content}-{number}"), platform, f"twin-{number}"), force=False)


def _hold(harness: FaultHarness, told: str, right: bool) -> None:
    if not right:
        harness.fail(told)


ROW = Row(number=15, title="200 identical requests at the same moment", databases=ALL, perform=perform)
