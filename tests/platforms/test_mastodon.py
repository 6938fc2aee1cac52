"""Posts to Mastodon: never two, and the outcome never says more than is certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
from sharetally.adapters.platforms.mastodon.client import MastodonPublisher
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    NotThere,
    OutcomeUnknown,
    PauseScope,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from tests.fakes import mastodon as fake
from tests.fakes.api_server import Ending, Fault, Reply
from tests.platforms.cases import IMPATIENT, NO_TLS, URL, Impatient, new_draft, within
from tests.platforms.mastodon_cases import Case, opened

pytestmark = pytest.mark.anyio
SOON = timedelta(minutes=4)


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    async with opened() as made:
        await made.prepare()
        yield made


async def expect_truth(case: Case, outcome: PublishOutcome, *, copies: int) -> None:
    """The posts on the server are what the outcome says, and a look finds the same."""
    assert case.copies() == copies
    match outcome:
        case Posted():
            assert copies == 1
        case TryLater() | PostRejected() | AccessDenied():
            assert copies == 0
    looked = await case.look()
    assert isinstance(looked, Posted if copies else NotThere)
    if isinstance(looked, Posted):
        assert await case.publisher.delete(case.account, case.tokens, looked.external_id) is None
        assert case.copies() == 0, "the look found the post itself"


async def test_a_post_arrives_once(case: Case) -> None:
    case.fake.add_post("something else")
    outcome = await case.publish()
    assert isinstance(outcome, Posted)
    assert outcome.external_url == f"https://social.example/@mara/{outcome.external_id}"
    assert await case.publish() == outcome == await case.look(), "the server knows the key"
    await expect_truth(case, outcome, copies=1)


async def test_twenty_workers_on_one_post_make_one(case: Case) -> None:
    outcomes = await asyncio.gather(*(case.publish() for _ in range(20)))
    assert len(set(outcomes)) == 1
    await expect_truth(case, outcomes[0], copies=1)


async def test_keys_last_for_an_hour(case: Case) -> None:
    """The flow asks for it before it posts again."""
    await case.publish()
    case.fake.now += case.publisher.deduplicates_for
    await case.publish()
    assert case.copies() == 2


async def test_a_look_comes_first_where_keys_are_ignored(case: Case) -> None:
    case.fake.honours_keys = False
    case.fake.fail("create", Fault(carried_out=True, ending=Ending.RESET))
    assert isinstance(await case.publish(), OutcomeUnknown)
    assert isinstance(await case.look(), Posted)


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("reply", [fake.BROKEN, fake.UNAVAILABLE])
async def test_a_server_error_says_nothing(case: Case, reply: Reply, carried_out: bool) -> None:
    case.fake.fail("create", Fault(carried_out=carried_out, reply=reply))
    outcome = await case.publish()
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("ending", [Ending.STALL, Ending.SLOW_BODY, Ending.RESET])
async def test_no_reply_says_nothing(case: Case, ending: Ending, carried_out: bool) -> None:
    case.fake.fail("create", Fault(carried_out=carried_out, ending=ending))
    case.outbound.deadline = 10.0 if ending is Ending.RESET else IMPATIENT
    outcome = await case.publish()
    case.outbound.deadline = 10.0
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


async def test_a_malformed_success(case: Case) -> None:
    case.fake.fail("create", Fault(carried_out=True, ending=Ending.MALFORMED))
    outcome = await case.publish()
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=1)


async def test_a_redirect_is_no_success(case: Case) -> None:
    case.fake.fail("create", Fault(carried_out=False, reply=Reply(status=302), ending=Ending.MALFORMED))
    assert isinstance(await case.publish(), OutcomeUnknown)


async def test_nothing_was_sent(case: Case) -> None:
    """The name is unknown, the time runs out before the first byte, or the address is refused."""

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async def private(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    for resolve in (unknown, never, private):
        outbound = Impatient(OutboundClient(ssl_context=NO_TLS, guard=AddressGuard(resolve=resolve)))
        outbound.deadline = IMPATIENT
        outcome = await MastodonPublisher(outbound).publish(case.account, case.tokens, case.draft)
        await outbound.close()
        assert isinstance(outcome, TryLater)
    await expect_truth(case, outcome, copies=0)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x-ratelimit-reset": "in four minutes"}, SOON),
        ({"x-ratelimit-reset": "2100-01-01T00:00:00.000000Z"}, timedelta(days=1)),
        ({"retry-after": "240"}, SOON),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)
async def test_a_limit(case: Case, headers: dict[str, str], wait: timedelta | None) -> None:
    reset = (datetime.now(UTC) + SOON).isoformat().replace("+00:00", "Z")
    headers = {name: reset if value == "in four minutes" else value for name, value in headers.items()}
    case.fake.fail("create", Fault(carried_out=False, reply=fake.error(429, fake.TOO_MANY, headers)))
    outcome = await case.publish()
    assert isinstance(outcome, TryLater)
    assert outcome.pause is PauseScope.ACCOUNT
    assert outcome.at is None if wait is None else within(outcome.at, 60, wait)
    await expect_truth(case, outcome, copies=0)


@pytest.mark.parametrize("reply", [fake.OUT_OF_SCOPE, fake.DISABLED, fake.BLANK, fake.NOT_FOUND])
async def test_what_is_refused_for_good(case: Case, reply: Reply) -> None:
    case.fake.fail("create", Fault(carried_out=False, reply=reply))
    outcome = await case.publish()
    assert isinstance(outcome, PostRejected)
    assert outcome.code == f"http-{reply.status}"
    assert reply.json["error"] in outcome.message
    await expect_truth(case, outcome, copies=0)


async def test_a_revoked_token_is_noticed_everywhere(case: Case) -> None:
    posted = await case.publish()
    assert isinstance(posted, Posted)
    case.fake.grants.revoke_all()
    assert isinstance(await case.publish(), AccessDenied)
    assert isinstance(await case.look(), AccessDenied)
    assert isinstance(await case.publisher.delete(case.account, case.tokens, posted.external_id), AccessDenied)
    assert case.copies() == 1


async def test_what_is_gone_is_deleted(case: Case) -> None:
    """Whoever deleted it."""
    posted = await case.publish()
    assert isinstance(posted, Posted)
    for _ in range(2):
        assert await case.publisher.delete(case.account, case.tokens, posted.external_id) is None
    assert case.copies() == 0


async def test_a_look_goes_back_to_the_attempt(case: Case) -> None:
    await case.publish()
    for number in range(100):
        case.fake.add_post(f"post {number} with {URL}x, another address")
    assert isinstance(await case.look(), Posted)
    case.draft = replace(case.draft, url="https://share.example.com/s/absent")
    assert isinstance(await case.look(), NotThere)


async def test_a_look_soon_after_the_attempt_is_no_proof(case: Case) -> None:
    """A slow server may still be at work on the request whose reply was not awaited."""
    outcome = await case.publisher.look(case.account, case.tokens, case.draft)
    assert isinstance(outcome, TryLater)
    assert within(outcome.at, 30, timedelta(minutes=1))
    assert isinstance(await case.look(), NotThere)


async def test_a_look_reads_nothing_older(case: Case) -> None:
    for number in range(100):
        case.fake.add_post(f"post {number}", at=datetime.now(UTC) - timedelta(hours=1))
    before = len(case.fake.requests)
    assert await case.look() == NotThere()
    assert len(case.fake.requests) == before + 1


async def test_a_look_that_does_not_reach_the_attempt_cannot_tell(case: Case) -> None:
    await case.publish()
    for number in range(200):
        case.fake.add_post(f"post {number}")
    assert isinstance(await case.look(), CannotTell)


@pytest.mark.parametrize("content", ["&lt;{}&gt;", "<b>{}</b>,", "{}", '<a href="{}">link</a>'])
async def test_a_look_knows_every_way_of_showing_the_address(
    case: Case, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers that only resemble Mastodon format texts in their own ways."""
    await case.publish()
    monkeypatch.setattr(fake, "as_html", lambda text: content.format(URL))
    assert isinstance(await case.look(), Posted)
    monkeypatch.setattr(fake, "as_html", lambda text: content.format(URL + "x"))
    assert isinstance(await case.look(), NotThere)


@pytest.mark.parametrize("ending", [Ending.RESET, Ending.MALFORMED])
async def test_a_look_that_fails_says_nothing(case: Case, ending: Ending) -> None:
    await case.publish()
    case.fake.fail("statuses", Fault(carried_out=True, ending=ending))
    assert isinstance(await case.look(), TryLater | CannotTell)
    assert isinstance(await case.look(), Posted)


async def test_the_limits_of_the_server_itself(case: Case) -> None:
    case.fake.max_characters, case.fake.per_url = 30, 10
    case.draft = replace(new_draft("x" * 20 + " {url}"), id=UUID(int=8))
    outcome = await case.publisher.prepare(case.account, case.tokens, case.draft)
    assert isinstance(outcome, PostRejected)
    assert "31 characters" in outcome.message
    assert "30" in outcome.message
    case.draft = replace(new_draft("x" * 19 + " {url}"), id=UUID(int=8))
    await case.prepare()
    assert isinstance(await case.publish(), Posted)


async def test_a_server_without_a_page_about_itself(case: Case) -> None:
    case.fake.fail("instance", Fault(carried_out=False, reply=fake.NOT_FOUND))
    await case.prepare()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(carried_out=False, reply=fake.UNAVAILABLE),
        Fault(carried_out=False, reply=fake.error(429, fake.TOO_MANY)),
        Fault(carried_out=False, ending=Ending.RESET),
    ],
)
async def test_a_server_that_does_not_say_its_limits(case: Case, fault: Fault) -> None:
    case.fake.fail("instance", fault)
    assert isinstance(await case.publisher.prepare(case.account, case.tokens, case.draft), TryLater)


async def test_secrets_are_in_no_outcome_and_no_address(case: Case) -> None:
    seen = [case.connection, case.account, await case.publish(), await case.look()]
    assert case.tokens.access not in repr(seen)
    assert all(case.tokens.access not in request.target for request in case.fake.requests)
