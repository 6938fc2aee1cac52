"""Posts to a real Bluesky server: never two, none that a user has deleted, and no outcome says more than is certain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import httpx2
import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
from sharetally.adapters.platforms.bluesky.client import BlueskyPublisher
from sharetally.domain.account import Profile, Tokens
from sharetally.domain.ids import new_id
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
from sharetally.ports.outbound import DEADLINE, MAX_BYTES, Outbound, OutboundResponse
from sharetally.ports.posting_platform import Connection
from tests.fakes.api_server import Ending, Fault, Reply
from tests.platforms.bluesky_cases import Case, case_of, opened_site
from tests.platforms.cases import IMPATIENT, NO_TLS, URL, Impatient, account_of, new_draft, within
from tests.platforms.pds.gateway import Gateway, xrpc_error
from tests.platforms.pds.server import PersonalDataServer

pytestmark = pytest.mark.anyio
PUT = "com.atproto.repo.putRecord"
SOON = timedelta(minutes=4)


@pytest.fixture
async def case(pds: PersonalDataServer) -> AsyncIterator[Case]:
    async with opened_site(pds) as site:
        made = case_of(site, await site.sign_in())
        await made.prepare()
        yield made


@pytest.fixture
async def gateway(case: Case) -> AsyncIterator[Gateway]:
    """The case's requests go through it from now on."""
    between = Gateway(case.site.pds.url)
    async with between.serving():
        case.account = replace(case.account, server=between.url)
        yield between


class PublicServer(Outbound):
    """A server of the network, which no test can reach: it has every record."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float = DEADLINE,
        max_bytes: int = MAX_BYTES,
    ) -> OutboundResponse:
        """Answer with a record."""
        record = {"uri": "at://a/b/c", "value": {"text": f"Worth a look {URL}"}}
        return OutboundResponse(status=200, headers={}, body=json.dumps(record).encode())

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_post_on_a_server_of_the_network_is_linked_on_bsky_app() -> None:
    profile = Profile(external_id="did:plc:abc", handle="mara.example.com", server="https://pds.example.com")
    account = account_of(Connection(profile=profile, tokens=Tokens(access="a")), "bluesky")
    found = await BlueskyPublisher(PublicServer()).look(account, Tokens(access="a"), new_draft())
    assert isinstance(found, Posted)
    key = found.external_id.rpartition("/")[2]
    assert found.external_url == f"https://bsky.app/profile/did:plc:abc/post/{key}"


async def expect_truth(case: Case, outcome: PublishOutcome, *, copies: int) -> None:
    """The posts on the server are what the outcome says, and a look finds the same."""
    assert case.texts() == [case.draft.text] * copies
    match outcome:
        case Posted():
            assert copies == 1
        case TryLater() | PostRejected() | AccessDenied():
            assert copies == 0
    assert isinstance(await case.look(), Posted if copies else NotThere)


async def test_a_post_arrives_once_and_its_link_works(case: Case) -> None:
    outcome = await case.publish()
    assert isinstance(outcome, Posted)
    assert outcome.external_url is not None
    async with httpx2.AsyncClient() as client:  # bsky.app does not show the posts of a server on this machine
        shown = (await client.get(outcome.external_url)).json()
    assert (shown["uri"], shown["value"]["text"]) == (outcome.external_id, case.draft.text)
    (record,) = case.site.pds.records(case.site.user)
    (link, tag) = record["facets"]
    marked = record["text"].encode()[link["index"]["byteStart"] : link["index"]["byteEnd"]].decode()
    assert marked == link["features"][0]["uri"] == URL
    assert tag["features"][0]["tag"] == "reading"
    assert datetime.fromisoformat(record["createdAt"]) - case.draft.created_at < timedelta(minutes=1)
    await expect_truth(case, outcome, copies=1)


async def test_a_repetition_writes_nothing_new(case: Case) -> None:
    assert await case.publish() == await case.publish(repeated=True) == await case.look()
    assert case.texts() == [case.draft.text]


async def test_twenty_workers_on_one_post_make_one(case: Case) -> None:
    outcomes = await asyncio.gather(*(case.publish(repeated=number > 0) for number in range(20)))
    assert {type(outcome) for outcome in outcomes} == {Posted}
    await expect_truth(case, outcomes[0], copies=1)


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("ending", [Ending.STALL, Ending.RESET])
async def test_no_reply_says_nothing_and_a_repetition_settles_it(
    case: Case, gateway: Gateway, ending: Ending, carried_out: bool
) -> None:
    gateway.fail(PUT, Fault(carried_out=carried_out, ending=ending))
    case.site.outbound.deadline = 10.0 if ending is Ending.RESET else 2.0
    outcome = await case.publish()
    case.site.outbound.deadline = 10.0
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))
    await expect_truth(case, await case.publish(repeated=True), copies=1)


async def test_a_post_that_the_user_deleted_does_not_come_back(case: Case, gateway: Gateway) -> None:
    """The reply is lost, the user sees the post and deletes it, and only then the service tries again."""
    gateway.fail(PUT, Fault(carried_out=True, ending=Ending.RESET))
    assert isinstance(await case.publish(), OutcomeUnknown)
    posted = await case.look()
    assert isinstance(posted, Posted)
    key = posted.external_id.rpartition("/")[2]
    body = {"repo": case.site.user.did, "collection": "app.bsky.feed.post", "rkey": key}
    case.site.pds.call("com.atproto.repo.deleteRecord", body, access=case.site.user.access)
    outcome = await case.publish(repeated=True)
    assert isinstance(outcome, PostRejected)
    assert outcome.code == "not-found"
    assert isinstance(await case.look(), NotThere)
    assert case.texts() == []


async def test_a_post_that_never_arrived_has_failed_once_another_one_has_overtaken_it(
    case: Case, gateway: Gateway
) -> None:
    """Nobody has to decide: the request of the first attempt can no longer write anything."""
    gateway.fail(PUT, Fault(carried_out=False, ending=Ending.RESET))
    assert isinstance(await case.publish(), OutcomeUnknown)
    lost, case.draft = case.draft, replace(new_draft("faster {url}"), id=new_id())
    await case.prepare()
    assert isinstance(await case.publish(), Posted)
    case.draft = lost
    assert isinstance(await case.publish(repeated=True), PostRejected)
    assert len(case.texts()) == 1


async def test_a_user_who_posts_at_the_same_time(case: Case) -> None:
    """The first attempt is refused because the account has changed: that is certain, and the next one succeeds."""
    record = {"$type": "app.bsky.feed.post", "text": "by hand", "createdAt": "2026-11-30T12:00:00.000Z"}
    body = {"repo": case.site.user.did, "collection": "app.bsky.feed.post", "record": record}
    case.site.pds.call("com.atproto.repo.createRecord", body, access=case.site.user.access)
    assert isinstance(await case.publish(), TryLater)
    assert case.texts() == ["by hand"]
    await case.prepare()
    assert isinstance(await case.publish(), Posted)
    assert sorted(case.texts()) == sorted(["by hand", case.draft.text])


async def test_a_post_that_is_there_is_not_overwritten(case: Case) -> None:
    """Whatever else a process would write at its key."""
    outcome = await case.publish()
    text, case.draft = case.draft.text, replace(case.draft, text=f"another text {URL}")
    assert await case.publish(repeated=True) == outcome
    assert case.texts() == [text]


async def test_another_post_at_the_same_key_is_not_taken_for_this_one(case: Case) -> None:
    await case.publish()
    other = "https://share.example.com/s/other"
    case.draft = replace(new_draft(url=other), id=case.draft.id)
    await case.prepare()
    assert isinstance(await case.publish(), TryLater)
    assert isinstance(await case.look(), CannotTell)
    assert not any(other in text for text in case.texts())


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize(
    "reply", [xrpc_error(500, "InternalServerError", "Internal Server Error"), Reply(status=502), Reply(status=302)]
)
async def test_a_server_error_says_nothing(case: Case, gateway: Gateway, reply: Reply, carried_out: bool) -> None:
    gateway.fail(PUT, Fault(carried_out=carried_out, reply=reply))
    outcome = await case.publish()
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


async def test_a_malformed_success(case: Case, gateway: Gateway) -> None:
    gateway.fail(PUT, Fault(carried_out=True, ending=Ending.MALFORMED))
    outcome = await case.publish()
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=1)


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
        outcome = await BlueskyPublisher(outbound).publish(case.account, case.tokens, case.draft)
        await outbound.close()
        assert isinstance(outcome, TryLater)
    await expect_truth(case, outcome, copies=0)


async def test_the_limit_of_a_real_server(case: Case) -> None:
    """Sessions run out first: thirty in five minutes. The 429 of a post looks the same."""
    for _ in range(40):
        url = f"{case.site.pds.url}/xrpc/com.atproto.server.createSession"
        body = f'{{"identifier": "{case.site.user.handle}", "password": "{case.site.user.app_password}"}}'.encode()
        headers = {"content-type": "application/json"}
        response = await case.site.outbound.request("POST", url, headers=headers, body=body)
        if response.status == 429:
            break
    assert response.status == 429
    between = Gateway(case.site.pds.url)
    async with between.serving():
        limited = Reply(status=429, json={"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"})
        kept = {name: value for name, value in response.headers.items() if name.startswith(("ratelimit", "retry"))}
        between.fail(PUT, Fault(carried_out=False, reply=replace(limited, headers=kept)))
        case.account = replace(case.account, server=between.url)
        outcome = await case.publish()
    assert isinstance(outcome, TryLater)
    assert outcome.pause is PauseScope.ACCOUNT
    assert within(outcome.at, 200, timedelta(minutes=3))
    case.account = replace(case.account, server=case.site.pds.url)
    await expect_truth(case, outcome, copies=0)


@pytest.mark.parametrize(("headers", "wait"), [({"retry_after": "240"}, SOON), ({}, None)])
async def test_a_limit_with_and_without_a_time(
    case: Case, gateway: Gateway, headers: dict[str, str], wait: timedelta | None
) -> None:
    gateway.fail(PUT, Fault(carried_out=False, reply=xrpc_error(429, "RateLimitExceeded", "Rate Limit", **headers)))
    outcome = await case.publish()
    assert isinstance(outcome, TryLater)
    assert outcome.pause is PauseScope.ACCOUNT
    assert outcome.at is None if wait is None else within(outcome.at, 60, wait)


@pytest.mark.parametrize("text", ["x" * 301, "👨‍👩‍👧‍👦" * 121])
async def test_what_is_too_long_for_a_real_server_is_too_long_for_us(case: Case, text: str) -> None:
    fault = case.publisher.text_fault(text, URL)
    case.draft = replace(case.draft, text=text)
    outcome = await case.publish()
    assert isinstance(outcome, PostRejected)
    assert outcome.code == "InvalidRequest"
    assert fault is not None
    await expect_truth(case, outcome, copies=0)


@pytest.mark.parametrize("text", ["x" * (299 - len(URL)) + f" {URL}", "👨‍👩‍👧‍👦" * 118 + f" {URL}"])
async def test_what_just_fits_a_real_server_fits_for_us(case: Case, text: str) -> None:
    assert case.publisher.text_fault(text, URL) is None
    case.draft = replace(case.draft, text=text)
    await expect_truth(case, await case.publish(), copies=1)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (xrpc_error(401, "AccountTakedown", "Account has been taken down"), "AccountTakedown"),
        (xrpc_error(400, "RepoDeactivated", "Repo has been deactivated"), "RepoDeactivated"),
        (xrpc_error(403, "ScopeMissingError", "Missing required scope"), "ScopeMissingError"),
        (Reply(status=413), "http-413"),
    ],
)
async def test_what_is_refused_for_good(case: Case, gateway: Gateway, reply: Reply, code: str) -> None:
    gateway.fail(PUT, Fault(carried_out=False, reply=reply))
    outcome = await case.publish()
    assert isinstance(outcome, PostRejected)
    assert outcome.code == code
    await expect_truth(case, outcome, copies=0)


async def test_a_token_that_is_not_accepted(case: Case, gateway: Gateway) -> None:
    """The first answer is the real server's own."""
    posted = await case.publish()
    assert isinstance(posted, Posted)
    case.draft, good = replace(case.draft, id=new_id()), case.tokens
    case.tokens = replace(good, access="not-a-token")
    assert isinstance(await case.publish(), AccessDenied)
    assert isinstance(await case.publisher.delete(case.account, case.tokens, posted.external_id), AccessDenied)
    case.tokens = good
    gateway.fail(PUT, Fault(carried_out=False, reply=xrpc_error(400, "ExpiredToken", "Token has expired")))
    assert isinstance(await case.publish(), AccessDenied)


async def test_what_is_gone_is_deleted(case: Case) -> None:
    """Whoever deleted it."""
    posted = await case.publish()
    assert isinstance(posted, Posted)
    for _ in range(2):
        assert await case.publisher.delete(case.account, case.tokens, posted.external_id) is None
    assert case.texts() == []


@pytest.mark.parametrize("fault", [Fault(carried_out=True, ending=Ending.RESET), Fault(carried_out=False)])
async def test_a_look_that_fails_says_nothing(case: Case, gateway: Gateway, fault: Fault) -> None:
    await case.publish()
    gateway.fail("com.atproto.repo.getRecord", fault)
    assert isinstance(await case.look(), TryLater | CannotTell)
    assert isinstance(await case.look(), Posted)


async def test_an_account_that_the_server_does_not_know(case: Case) -> None:
    nobody = replace(case.account, external_id="did:plc:" + "a" * 24)
    outcome = await case.publisher.prepare(nobody, case.tokens, case.draft)
    assert isinstance(outcome, PostRejected)
    assert outcome.code == "RepoNotFound"
    assert isinstance(await case.publisher.look(nobody, case.tokens, case.draft), TryLater | CannotTell)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(carried_out=True, ending=Ending.RESET),
        Fault(carried_out=True, ending=Ending.MALFORMED),
        Fault(carried_out=False, reply=xrpc_error(503, "NotAvailable", "try later")),
    ],
)
async def test_a_server_that_does_not_say_its_commit(case: Case, gateway: Gateway, fault: Fault) -> None:
    gateway.fail("com.atproto.sync.getLatestCommit", fault)
    assert isinstance(await case.publisher.prepare(case.account, case.tokens, case.draft), TryLater)


async def test_secrets_are_in_no_outcome(case: Case) -> None:
    seen = repr([case.account, await case.publish(), await case.look(), case.draft, case.tokens])
    assert case.tokens.access not in seen
    assert case.site.user.app_password not in seen


async def test_keys_of_posts_that_follow_each_other(case: Case) -> None:
    """A real server takes each of them, and keeps them apart."""
    for number in range(3):
        case.draft = replace(new_draft(f"number {number} {{url}}"), id=new_id())
        await case.prepare()
        assert isinstance(await case.publish(), Posted)
    assert len(case.texts()) == 3
