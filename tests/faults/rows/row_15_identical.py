"""Two hundred identical requests arrive at the same moment over as many connections: with one key, without a key, and
with one key and two different bodies. One of them has an effect; the others get its answer, are told that the
share exists already, or are refused.

On the database servers, counts are cached in Redis in this row.
"""

from __future__ import annotations

from collections import Counter

from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.journey.asking import Caller
from tests.oracle.client import Answer
from tests.oracle.expected import Correction, Link
from tests.oracle.system import System

MANY = 200
ROUNDS = 5
KEY = "idempotency-key"
TWITTER, WHATSAPP = {"platforms": ["twitter"]}, {"platforms": ["whatsapp"]}


async def perform(stage: Stage) -> None:
    async with stage.open(stage.shape(cache=stage.database != "sqlite")) as system, stage.load(seconds=15):
        for number in range(ROUNDS):
            with Caller(system.port, stage.promises.token(f"twin-{number}")) as caller:
                await _without_a_key(stage, caller, number)
                await _one_key(stage, caller, number)
                await _two_bodies(stage, caller, number)
                await _one_link(stage, caller, number)
            await _one_correction(stage, system, number)
        stage.note(f"{ROUNDS} rounds of {MANY}: no key, one key, one key and two bodies, a link, a correction")


async def _without_a_key(stage: Stage, caller: Caller, number: int) -> None:
    answers = await caller.at_once(*[("POST", f"/videos/plain-{number}/share", TWITTER)] * MANY)
    stage.promises.heard("no key", *answers)
    already = Counter(answer.json()["results"][0]["alreadyShared"] for answer in answers)
    _hold(stage, f"no key: {already}", already == {False: 1, True: MANY - 1})
    _shared(stage, number, "plain", "twitter")


async def _one_key(stage: Stage, caller: Caller, number: int) -> None:
    requests = [("POST", f"/videos/keyed-{number}/share", TWITTER)] * MANY
    answers = await caller.at_once(*requests, headers={KEY: f"one-{number}"})
    stage.promises.heard("one key", *answers)
    same = {(answer.status, answer.body) for answer in answers}
    _hold(stage, f"one key: {same}", len(same) == 1 and answers[0].status == 200)
    _hold(stage, f"the first is no repetition: {answers[0]}", not answers[0].json()["results"][0]["alreadyShared"])
    _shared(stage, number, "keyed", "twitter")


async def _two_bodies(stage: Stage, caller: Caller, number: int) -> None:
    target = f"/videos/torn-{number}/share"
    pairs = [("POST", target, TWITTER), ("POST", target, WHATSAPP)] * (MANY // 2)
    answers = await caller.at_once(*pairs, headers={KEY: f"torn-{number}"})
    stage.promises.heard("one key, two bodies", *answers)
    found = Counter((body["platforms"][0], answer.status) for (_, _, body), answer in zip(pairs, answers, strict=True))
    won, lost = ("twitter", "whatsapp") if found["twitter", 200] else ("whatsapp", "twitter")
    _hold(stage, f"two bodies: {found}", found == {(won, 200): MANY // 2, (lost, 422): MANY // 2})
    _shared(stage, number, "torn", won)


async def _one_link(stage: Stage, caller: Caller, number: int) -> None:
    body = {"contentType": "video", "contentId": f"linked-{number}", "channelId": "newsletter"}
    answers = await caller.at_once(*[("POST", "/share-links", body)] * MANY, headers={KEY: f"link-{number}"})
    stage.promises.heard("one link", *answers)
    same = {(answer.status, answer.body) for answer in answers}
    _hold(stage, f"one link: {same}", len(same) == 1 and answers[0].status == 201)
    link = Link(("video", f"linked-{number}"), f"twin-{number}", "newsletter", "")
    stage.promises.expected.create_link(str(answers[0].json()["id"]), link)


async def _one_correction(stage: Stage, system: System, number: int) -> None:
    """Under one job id, which is as good as a key."""
    body = {"operation": "increment", "amount": 3, "reason": "by hand", "jobId": f"job-{number}"}
    target = f"/share-links/count/video/corrected-{number}/adjustments"
    with Caller(system.port, stage.promises.token("admin-twin")) as caller:
        answers: list[Answer] = await caller.at_once(*[("POST", target, body)] * MANY)
    stage.promises.heard("one correction", *answers)
    found = Counter((answer.status, answer.json().get("jobId")) for answer in answers)
    _hold(stage, f"one correction: {found}", found == {(202, f"job-{number}"): MANY})
    correction = Correction(("video", f"corrected-{number}"), "admin-twin", 3, "", "")
    stage.promises.expected.correct(f"job-{number}", correction)


def _shared(stage: Stage, number: int, content: str, platform: str) -> None:
    stage.promises.expected.share((("video", f"{content}-{number}"), platform, f"twin-{number}"), force=False)


def _hold(stage: Stage, told: str, right: bool) -> None:
    if not right:
        stage.wrong(told)


ROW = Row(number=15, title="200 identical requests at the same moment", on=ALL, perform=perform)
