"""Posts of the Matrix example on a real homeserver: never two, and no outcome says more than is certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.domain.account import Account, Tokens
from sharetally.domain.ids import new_id
from sharetally.domain.post import (
    AccessDenied,
    Draft,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    PauseScope,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.ports.posting_platform import (
    ConnectFailed,
    Connection,
    Connector,
    GrantLost,
    PasswordConnector,
    PlatformUnavailable,
    Publisher,
)
from sharetally.settings import load
from sharetally.wiring_posting import create_connectors, create_publishers
from tests.examples.synapse.server import Room, Session, Synapse
from tests.fakes.api_server import Ending, Fault, Reply
from tests.platforms.cases import NO_TLS, URL, Impatient, account_of, new_draft, within
from tests.platforms.pds.gateway import Gateway
from tests.services.launch import free_port

pytestmark = pytest.mark.anyio


@dataclass(kw_only=True)
class Site:
    """A user with a room, and the parts of the service as the entry points of the package create them."""

    room: Room
    session: Session
    server: str
    outbound: Impatient

    @property
    def connector(self) -> Connector:
        settings = load({"SHARETALLY_POST_PRIVATE_SERVERS": self.server}, cwd=Path("."))
        return create_connectors(settings, lambda: self.outbound)["matrix"]

    async def connect(self, session: Session, *, room: str | None = None, server: str | None = None) -> Connection:
        connector = self.connector
        assert isinstance(connector, PasswordConnector)
        return await connector.sign_in(
            identifier=room or self.room.alias, password=session.token, server=server or self.server
        )


@dataclass(kw_only=True)
class Case:
    """A connected room and a post."""

    site: Site
    publisher: Publisher
    account: Account
    tokens: Tokens
    draft: Draft

    async def prepare(self) -> Draft:
        found = await self.publisher.prepare(self.account, self.tokens, self.draft)
        assert isinstance(found, Mapping), found
        self.draft = replace(self.draft, prepared=found)
        return self.draft

    def wait(self) -> None:
        """Let the attempt have begun two minutes ago: until then a look does not believe that nothing will arrive."""
        began = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
        self.draft = replace(self.draft, prepared={**self.draft.prepared, "since": began})

    async def publish(self, *, repeated: bool = False) -> PublishOutcome:
        return await self.publisher.publish(self.account, self.tokens, replace(self.draft, repeated=repeated))

    async def look(self) -> LookOutcome:
        return await self.publisher.look(self.account, self.tokens, self.draft)


@pytest.fixture
async def site(synapse: Synapse, matrix_package: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.syspath_prepend(str(matrix_package))
    session = await asyncio.to_thread(synapse.new_user)
    room = await asyncio.to_thread(synapse.new_room, session)
    outbound = Impatient(OutboundClient(ssl_context=NO_TLS))
    try:
        yield Site(room=room, session=session, server=synapse.url, outbound=outbound)
    finally:
        await outbound.close()


@pytest.fixture
async def case(site: Site) -> Case:
    made = case_of(site, await site.connect(site.session))
    await made.prepare()
    return made


def case_of(site: Site, connection: Connection) -> Case:
    """A post for this connection."""
    publisher = create_publishers(load({}, cwd=Path(".")), lambda: site.outbound)["matrix"]
    return Case(
        site=site,
        publisher=publisher,
        account=account_of(connection, "matrix"),
        tokens=connection.tokens,
        draft=replace(new_draft(), id=new_id()),
    )


@pytest.fixture
async def gateway(case: Case) -> AsyncIterator[Gateway]:
    """The case's requests go through it from now on."""
    between = Gateway(case.site.server)
    async with between.serving():
        case.account = replace(case.account, server=between.url)
        yield between


async def texts(case: Case) -> list[str]:
    return await asyncio.to_thread(case.site.room.texts)


async def expect_truth(case: Case, outcome: PublishOutcome, *, copies: int) -> None:
    """What can be read in the room is what the outcome says, and a look finds the same."""
    assert await texts(case) == [case.draft.text] * copies
    match outcome:
        case Posted():
            assert copies == 1
        case TryLater() | PostRejected() | AccessDenied():
            assert copies == 0
    case.wait()
    assert isinstance(await case.look(), Posted if copies else NotThere)


# publishing


async def test_a_post_arrives_once_and_its_address_names_room_and_event(case: Case) -> None:
    outcome = await case.publish()
    assert isinstance(outcome, Posted)
    (event,) = await asyncio.to_thread(case.site.room.events)
    assert outcome.external_id == event["event_id"]
    room, _, rest = str(outcome.external_url).removeprefix("https://matrix.to/#/").partition("/")
    assert (room.replace("%21", "!").replace("%3A", ":"), rest.endswith("?via=matrix.example")) == (
        case.site.room.id,
        True,
    )
    await expect_truth(case, outcome, copies=1)


async def test_a_repetition_writes_nothing_new(case: Case) -> None:
    assert await case.publish() == await case.publish(repeated=True) == await case.look()
    assert await texts(case) == [case.draft.text]


async def test_twenty_workers_on_one_post_make_one(case: Case) -> None:
    outcomes = await asyncio.gather(*(case.publish(repeated=number > 0) for number in range(20)))
    assert len(set(outcomes)) == 1
    await expect_truth(case, outcomes[0], copies=1)


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("ending", [Ending.STALL, Ending.RESET])
async def test_no_reply_says_nothing_and_a_repetition_settles_it(
    case: Case, gateway: Gateway, ending: Ending, carried_out: bool
) -> None:
    gateway.fail(str(case.draft.id), Fault(carried_out=carried_out, ending=ending))
    case.site.outbound.deadline = 10.0 if ending is Ending.RESET else 2.0
    outcome = await case.publish()
    case.site.outbound.deadline = 10.0
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))
    await expect_truth(case, await case.publish(repeated=True), copies=1)


@pytest.mark.parametrize("reply", [Reply(status=502, json={}), Reply(status=408, json={}), Reply(json={"no": "id"})])
@pytest.mark.parametrize("carried_out", [True, False])
async def test_an_answer_that_leaves_it_open_is_unknown(
    case: Case, gateway: Gateway, reply: Reply, carried_out: bool
) -> None:
    gateway.fail(str(case.draft.id), Fault(carried_out=carried_out, reply=reply))
    outcome = await case.publish()
    assert isinstance(outcome, OutcomeUnknown)
    await expect_truth(case, outcome, copies=int(carried_out))


async def test_what_never_left_is_no_attempt(case: Case) -> None:
    server, case.account = case.account.server, replace(case.account, server=f"http://127.0.0.1:{free_port()}")
    outcome = await case.publish()
    assert isinstance(await case.look(), TryLater)
    assert isinstance(await case.publisher.delete(case.account, case.tokens, "$any"), TryLater)
    case.account = replace(case.account, server=server)
    assert isinstance(outcome, TryLater)
    await expect_truth(case, outcome, copies=0)


async def test_a_look_right_after_the_attempt_waits_for_a_slow_request(case: Case) -> None:
    """It would otherwise say that a post is not there, which then appears."""
    looked = await case.look()
    assert isinstance(looked, TryLater)
    assert within(looked.at, 30, timedelta(minutes=1))


async def test_a_look_finds_the_very_address_and_only_the_users_own_messages(case: Case) -> None:
    other = await asyncio.to_thread(case.site.room.synapse.new_user)
    await asyncio.to_thread(case.site.room.join, other)
    await asyncio.to_thread(case.site.room.write, other, f"somebody else likes it, too: {URL}")
    await asyncio.to_thread(case.site.room.write, case.site.session, f"a longer one: {URL}x")
    case.wait()
    assert isinstance(await case.look(), NotThere)
    own = await asyncio.to_thread(case.site.room.write, case.site.session, f"({URL})")
    looked = await case.look()
    assert isinstance(looked, Posted)
    assert looked.external_id == own


async def test_a_post_that_the_user_deleted_does_not_come_back(case: Case, gateway: Gateway) -> None:
    """The reply is lost, the user sees the post and deletes it, and only then the service tries again."""
    gateway.fail(str(case.draft.id), Fault(carried_out=True, ending=Ending.RESET))
    assert isinstance(await case.publish(), OutcomeUnknown)
    (event,) = await asyncio.to_thread(case.site.room.events)
    await asyncio.to_thread(case.site.room.redact, case.site.session, event["event_id"])
    looked = await case.look()
    assert isinstance(looked, Posted)
    assert looked == await case.publish(repeated=True)
    assert await texts(case) == []
    assert len(await asyncio.to_thread(case.site.room.events)) == 1


async def test_a_post_is_not_repeated_by_another_session(case: Case, gateway: Gateway) -> None:
    """Its transaction ids are its own: the homeserver would take the repetition for something new."""
    gateway.fail(str(case.draft.id), Fault(carried_out=True, ending=Ending.RESET))
    assert isinstance(await case.publish(), OutcomeUnknown)
    again = await asyncio.to_thread(case.site.room.synapse.sign_in, case.site.session.user)
    case.tokens = (await case.site.connect(again)).tokens
    assert isinstance(await case.publish(repeated=True), OutcomeUnknown)
    assert await texts(case) == [case.draft.text]
    assert isinstance(await case.look(), Posted), "by its address"


async def test_a_limit_of_the_homeserver_pauses_the_account(case: Case) -> None:
    """A real one: ten messages at once, and then one in five seconds."""
    for _ in range(30):
        case.draft = replace(case.draft, id=new_id())
        outcome = await case.publish()
        if not isinstance(outcome, Posted):
            break
    assert isinstance(outcome, TryLater), outcome
    assert outcome.pause is PauseScope.ACCOUNT
    assert within(outcome.at, 5, timedelta(seconds=5))


@pytest.mark.parametrize(
    ("fields", "headers", "wait"),
    [
        ({"retry_after_ms": 90_000}, {}, 90),
        ({"retry_after_ms": 1_000}, {"retry-after": "120"}, 120),
        ({"retry_after_ms": 10**12}, {}, 86_400),
        ({}, {}, None),
    ],
)
async def test_a_limit_with_and_without_a_time(
    case: Case, gateway: Gateway, fields: dict[str, int], headers: dict[str, str], wait: int | None
) -> None:
    reply = Reply(status=429, json={"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", **fields})
    gateway.fail(str(case.draft.id), Fault(carried_out=False, reply=replace(reply, headers=headers)))
    outcome = await case.publish()
    assert isinstance(outcome, TryLater)
    assert outcome.pause is PauseScope.ACCOUNT
    assert outcome.at is None if wait is None else within(outcome.at, 10, timedelta(seconds=wait))
    await expect_truth(case, outcome, copies=0)


async def test_a_session_that_ended_is_denied(case: Case) -> None:
    await asyncio.to_thread(case.site.room.synapse.sign_out, case.site.session)
    assert isinstance(await case.publish(), AccessDenied)
    assert isinstance(await case.look(), AccessDenied)
    assert isinstance(await case.publisher.delete(case.account, case.tokens, "$any"), AccessDenied)
    with pytest.raises(GrantLost):
        await case.site.connector.refresh(case.account, case.tokens)
    await case.site.connector.revoke(case.account, case.tokens)


async def test_a_user_who_may_not_write_there_is_told_so(site: Site) -> None:
    banned = await asyncio.to_thread(site.room.synapse.new_user)
    await asyncio.to_thread(site.room.join, banned)
    case = case_of(site, await site.connect(banned))
    await asyncio.to_thread(site.room.ban, banned)
    await case.prepare()
    outcome = await case.publish()
    assert isinstance(outcome, PostRejected)
    assert (outcome.code, "join it" in outcome.message) == ("M_FORBIDDEN", True)


async def test_a_message_that_is_too_long_is_refused_before_anything_is_sent(case: Case) -> None:
    assert case.publisher.text_fault("é" * 29_000, URL) is None
    assert "60000" in str(case.publisher.text_fault("é" * 30_001, URL))
    assert "surrogate" in str(case.publisher.text_fault("\ud800", URL))
    case.draft = replace(case.draft, text="é" * 29_000)
    assert isinstance(await case.publish(), Posted), "the homeserver has the last word"


async def test_deleting_takes_the_text_away_and_may_be_repeated(case: Case) -> None:
    outcome = await case.publish()
    assert isinstance(outcome, Posted)
    for _ in range(2):
        assert await case.publisher.delete(case.account, case.tokens, outcome.external_id) is None
    assert await texts(case) == []


# connecting


async def test_a_room_is_connected_by_its_alias_or_its_id(site: Site) -> None:
    for written in (site.room.alias, f" {site.room.id} "):
        profile = (await site.connect(site.session, room=written)).profile
        assert (profile.external_id, profile.server) == (site.room.id, site.server)
        assert profile.handle == f"{site.session.user} in {written.strip()}"


async def test_what_cannot_be_connected_says_why(site: Site) -> None:
    stranger = await asyncio.to_thread(site.room.synapse.new_user)
    with pytest.raises(ConnectFailed, match="not in the room"):
        await site.connect(stranger)
    with pytest.raises(ConnectFailed, match="does not know the room"):
        await site.connect(site.session, room="#nowhere:matrix.example")
    with pytest.raises(ConnectFailed, match="not a room"):
        await site.connect(site.session, room=site.session.user)
    with pytest.raises(ConnectFailed, match="not the name of a server"):
        await site.connect(site.session, server="http://127.0.0.1:1")
    with pytest.raises(ConnectFailed, match="does not accept this access token"):
        await site.connect(replace(site.session, token="syt_guessed"))
    encrypted = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    room = await asyncio.to_thread(site.room.synapse.new_room, site.session, initial_state=[encrypted])
    with pytest.raises(ConnectFailed, match="encrypted"):
        await site.connect(site.session, room=room.alias)
    with pytest.raises(ConnectFailed, match="appPassword"):
        await site.connector.authorize(state="", redirect_uri="", code_challenge="", server=site.server)


async def test_a_server_that_is_down_is_no_refusal(site: Site) -> None:
    connection = await site.connect(site.session)
    account, connector = account_of(connection, "matrix"), site.connector
    down = replace(account, server=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PlatformUnavailable):
        await connector.refresh(down, connection.tokens)
    with pytest.raises(PlatformUnavailable):
        await connector.revoke(down, connection.tokens)
    assert await connector.refresh(account, connection.tokens) == connection.tokens


async def test_giving_the_permission_back_ends_the_session(site: Site) -> None:
    connection = await site.connect(site.session)
    account = account_of(connection, "matrix")
    await site.connector.revoke(account, connection.tokens)
    with pytest.raises(ConnectFailed, match="does not accept this access token"):
        await site.connect(site.session)
