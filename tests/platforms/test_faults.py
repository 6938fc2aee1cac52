"""One script of faults for every platform: never two posts, and the outcome never says more than is certain.

Whoever gets `Posted` finds exactly one post on the server, whoever gets `TryLater` or `PostRejected` none. Everything
between is `OutcomeUnknown`; a look ends it where the platform lets anybody look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
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
from tests.fakes import graph, linkedin, twitter
from tests.fakes.api_server import Ending, Fault, Reply
from tests.platforms.cases import IMPATIENT, NO_TLS, PUBLISHERS, Case, Impatient, opened, within

pytestmark = pytest.mark.anyio
PUBLISH = {"twitter": "create", "linkedin": "create", "facebook": "create", "threads": "publish"}
CANNOT_LOOK = "linkedin"
LISTS = ("twitter", "facebook")  # a look reads a list
DAY = timedelta(days=1)


@pytest.fixture(params=PUBLISHERS)
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    async with opened(request.param) as made:
        yield made


def fail(case: Case, fault: Fault) -> None:
    """Let the next publication meet this fault, and be impatient from now on if it never ends."""
    case.fake.fail(PUBLISH[case.publisher.platform], fault)


async def publish(case: Case) -> PublishOutcome:
    draft = await case.prepared()
    return await case.publisher.publish(case.account, case.tokens, draft)


async def expect_truth(case: Case, outcome: PublishOutcome, *, copies: int) -> None:
    """The posts on the server are what the outcome says, and a look finds the same."""
    assert case.copies() == copies
    match outcome:
        case Posted():
            assert copies == 1
        case TryLater() | PostRejected() | AccessDenied():
            assert copies == 0
    looked = await case.publisher.look(case.account, case.tokens, case.draft)
    if case.publisher.platform == CANNOT_LOOK:
        assert isinstance(looked, CannotTell)
    elif copies:
        assert isinstance(looked, Posted)
        assert await case.publisher.delete(case.account, case.tokens, looked.external_id) is None
        assert case.copies() == 0, "the look found the post itself"
    elif case.publisher.platform in LISTS:
        assert isinstance(looked, TryLater), "shortly after the attempt, the list may not show the post yet"
        case.clock.ahead += timedelta(minutes=2)
        assert isinstance(await case.publisher.look(case.account, case.tokens, case.draft), NotThere)
    else:
        assert isinstance(looked, NotThere)


async def test_a_post_arrives_once(case: Case) -> None:
    outcome = await publish(case)
    assert isinstance(outcome, Posted)
    assert outcome.external_url is not None
    assert outcome.external_url.startswith("https://")
    assert case.fake.texts() == [case.draft.text]
    await expect_truth(case, outcome, copies=1)


async def test_nobody_listens(case: Case) -> None:
    """Nothing was sent: it may be sent again, without a look."""
    draft = await case.prepared()
    lost = case.publisher_over(Impatient(OutboundClient(ssl_context=NO_TLS, guard=AddressGuard(resolve=_unknown))))
    assert isinstance(await lost.publish(case.account, case.tokens, draft), TryLater)
    await expect_truth(case, TryLater(reason=""), copies=0)


async def test_a_time_out_before_the_first_byte(case: Case) -> None:
    draft = await case.prepared()
    outbound = Impatient(OutboundClient(ssl_context=NO_TLS, guard=AddressGuard(resolve=_never)))
    outbound.deadline = IMPATIENT
    lost = case.publisher_over(outbound)
    assert isinstance(await lost.publish(case.account, case.tokens, draft), TryLater)
    await expect_truth(case, TryLater(reason=""), copies=0)


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("ending", [Ending.STALL, Ending.SLOW_BODY])
async def test_a_time_out_after_the_request_was_accepted(case: Case, ending: Ending, carried_out: bool) -> None:
    draft = await case.prepared()
    fail(case, Fault(carried_out=carried_out, ending=ending))
    case.outbound.deadline = IMPATIENT
    outcome = await case.publisher.publish(case.account, case.tokens, draft)
    case.outbound.deadline = 10
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_reset(case: Case, carried_out: bool) -> None:
    fail(case, Fault(carried_out=carried_out, ending=Ending.RESET))
    outcome = await publish(case)
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


async def test_a_malformed_success(case: Case) -> None:
    """LinkedIn's success has no body: there the header with the id is missing."""
    fail(case, Fault(carried_out=True, ending=Ending.MALFORMED))
    outcome = await publish(case)
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=1)


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_server_error_says_nothing(case: Case, carried_out: bool) -> None:
    replies = {"twitter": twitter.UNAVAILABLE, "linkedin": linkedin.UNAVAILABLE}
    reply = replies.get(case.publisher.platform, graph.OUTAGE)
    fail(case, Fault(carried_out=carried_out, reply=reply))
    outcome = await publish(case)
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_gateway_in_between_answers_html(case: Case, carried_out: bool) -> None:
    """No description holds this, so it is sent as it is."""
    fail(case, Fault(carried_out=carried_out, reply=Reply(status=502), ending=Ending.MALFORMED))
    outcome = await publish(case)
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


LIMITS: list[tuple[str, Reply, PauseScope, timedelta | None]] = [
    (
        "twitter",
        twitter.problem(429, "Too Many Requests", x_rate_limit_remaining="0", x_rate_limit_reset="4102444800"),
        PauseScope.ACCOUNT,
        DAY,  # a reset in the year 2100 is not believed
    ),
    ("twitter", twitter.problem(429, "Too Many Requests"), PauseScope.ACCOUNT, None),
    ("twitter", twitter.problem(429, "Too Many Requests", retry_after="90"), PauseScope.ACCOUNT, timedelta(seconds=90)),
    (
        "twitter",
        twitter.problem(
            429,
            "Too Many Requests",
            x_rate_limit_remaining="99",
            x_app_limit_24hour_remaining="0",
            x_app_limit_24hour_reset="4102444800",
        ),
        PauseScope.APPLICATION,
        DAY,
    ),
    ("twitter", twitter.USAGE_CAPPED, PauseScope.APPLICATION, None),
    ("twitter", twitter.OUT_OF_CREDITS, PauseScope.APPLICATION, None),
    (
        "linkedin",
        linkedin.error(429, "TOO_MANY_REQUESTS", "Throttled", retry_after="60"),
        PauseScope.ACCOUNT,
        timedelta(seconds=60),
    ),
    ("linkedin", linkedin.ENDED, PauseScope.PLATFORM, None),
    ("facebook", graph.APPLICATION_LIMIT, PauseScope.APPLICATION, None),
    ("facebook", graph.ACCOUNT_LIMIT, PauseScope.ACCOUNT, timedelta(minutes=7)),
    ("facebook", graph.ENDED_VERSION, PauseScope.PLATFORM, None),
    ("threads", graph.APPLICATION_LIMIT, PauseScope.APPLICATION, None),
    ("threads", graph.graph_error(17, "(#17) User request limit reached"), PauseScope.ACCOUNT, None),
    ("threads", graph.ENDED_VERSION, PauseScope.PLATFORM, None),
]


@pytest.mark.parametrize(("platform", "reply", "pause", "wait"), LIMITS)
async def test_what_has_to_wait(platform: str, reply: Reply, pause: PauseScope, wait: timedelta | None) -> None:
    async with opened(platform) as case:
        fail(case, Fault(carried_out=False, reply=reply))
        outcome = await publish(case)
        assert isinstance(outcome, TryLater)
        assert outcome.pause is pause
        assert outcome.at is None if wait is None else within(outcome.at, 60, wait)
        await expect_truth(case, outcome, copies=0)


REFUSALS: list[tuple[str, Reply, str]] = [
    (
        "twitter",
        twitter.problem(403, "Forbidden", kind=twitter.FORBIDDEN_TYPE, detail="Not enrolled"),
        "client-forbidden",
    ),
    ("twitter", twitter.problem(403, "Forbidden", detail="You are not permitted to perform this action."), "http-403"),
    ("twitter", twitter.problem(403, "Forbidden", detail=twitter.DUPLICATE + " Really."), "http-403"),
    (
        "twitter",
        twitter.problem(400, "Invalid Request", kind="https://api.twitter.com/2/problems/invalid-request"),
        "invalid-request",
    ),
    ("linkedin", linkedin.FORBIDDEN, "forbidden"),
    (
        "linkedin",
        linkedin.error(400, "MISSING_REQUIRED_FIELD_FOR_DSC", "A field is missing"),
        "MISSING_REQUIRED_FIELD_FOR_DSC",
    ),
    ("facebook", graph.PERMISSION, "forbidden"),
    ("facebook", graph.graph_error(10, "(#10) Application does not have permission for this action"), "forbidden"),
    ("facebook", graph.BLOCKED, "blocked"),
    ("facebook", graph.graph_error(100, "Invalid parameter", subcode=1_500), "100-1500"),
    ("threads", graph.PERMISSION, "forbidden"),
    ("threads", graph.BLOCKED, "blocked"),
]


@pytest.mark.parametrize(("platform", "reply", "code"), REFUSALS)
async def test_what_is_refused_for_good(platform: str, reply: Reply, code: str) -> None:
    async with opened(platform) as case:
        fail(case, Fault(carried_out=False, reply=reply))
        outcome = await publish(case)
        assert isinstance(outcome, PostRejected)
        assert outcome.code == code
        await expect_truth(case, outcome, copies=0)


DENIALS: list[tuple[str, Reply, str]] = [
    ("twitter", twitter.UNAUTHORIZED, "access token"),
    ("linkedin", linkedin.REVOKED, "access token"),
    (
        "linkedin",
        linkedin.error(401, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired"),
        "access token",
    ),
    ("facebook", graph.ROLE_LOST, "role"),
    ("facebook", graph.graph_error(190, "expired", subcode=463), "expired"),
    ("facebook", graph.graph_error(190, "changed", subcode=460), "password"),
    ("facebook", graph.graph_error(190, "checkpoint", subcode=459), "log in"),
    ("facebook", graph.graph_error(190, "anything", subcode=999), "no longer valid"),
    ("threads", graph.INVALID_TOKEN, "removed"),
]


@pytest.mark.parametrize(("platform", "reply", "why"), DENIALS)
async def test_who_has_to_connect_again(platform: str, reply: Reply, why: str) -> None:
    async with opened(platform) as case:
        fail(case, Fault(carried_out=False, reply=reply))
        outcome = await publish(case)
        assert isinstance(outcome, AccessDenied)
        assert why in outcome.reason
        await expect_truth(case, outcome, copies=0)


async def test_a_revoked_token_is_noticed_everywhere(case: Case) -> None:
    draft = await case.prepared()
    posted = await case.publisher.publish(case.account, case.tokens, draft)
    assert isinstance(posted, Posted)
    revoked = replace(case.tokens, access="revoked")
    assert isinstance(await case.publisher.publish(case.account, revoked, draft), AccessDenied)
    assert isinstance(await case.publisher.delete(case.account, revoked, posted.external_id), AccessDenied)
    if case.publisher.platform != CANNOT_LOOK:
        assert isinstance(await case.publisher.look(case.account, revoked, draft), AccessDenied)
    assert case.copies() == 1


async def test_what_is_gone_is_deleted(case: Case) -> None:
    """Whoever deleted it."""
    outcome = await publish(case)
    assert isinstance(outcome, Posted)
    for _ in range(2):
        assert await case.publisher.delete(case.account, case.tokens, outcome.external_id) is None
    assert case.copies() == 0


@pytest.mark.parametrize("platform", sorted(set(PUBLISHERS) - {CANNOT_LOOK}))
@pytest.mark.parametrize("ending", [Ending.RESET, Ending.MALFORMED])
async def test_a_look_that_fails_says_nothing(platform: str, ending: Ending) -> None:
    look = {"twitter": "timeline", "facebook": "feed", "threads": "read"}[platform]
    async with opened(platform) as case:
        await publish(case)
        case.fake.fail(look, Fault(carried_out=True, ending=ending))
        looked = await case.publisher.look(case.account, case.tokens, case.draft)
        assert isinstance(looked, TryLater | CannotTell)
        assert isinstance(await case.publisher.look(case.account, case.tokens, case.draft), Posted)


async def test_secrets_are_in_no_outcome_and_no_address(case: Case) -> None:
    seen: list[object] = [case.connection, case.account]
    for _ in range(2):
        seen.append(await publish(case))
        seen.append(await case.publisher.look(case.account, case.tokens, case.draft))
    assert case.tokens.access not in repr(seen)
    documented = {"/access_token", "/refresh_access_token"}  # Threads wants them there
    for request in case.fake.requests:
        if request.target.partition("?")[0] not in documented:
            assert case.tokens.access not in request.target


async def _unknown(host: str, port: int) -> Sequence[str]:
    raise OSError("Name or service not known")


async def _never(host: str, port: int) -> Sequence[str]:
    await asyncio.Event().wait()
    return []
