"""Connecting an account: bound to user, browser, platform and ten minutes, and usable once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sharetally.domain.account import Account, AccountStatus
from sharetally.domain.errors import Conflict, NotFound, PlatformUnreachable
from sharetally.flow.accounts.connecting import Choice, Connecting
from sharetally.flow.accounts.errors import ConnectionDeclined, ConnectionRefused, UnknownConnection
from sharetally.ports import VaultError
from tests.contracts.account_rows import account_line
from tests.flow.account_harness import ANNA, CARLA, Accounting, accounting
from tests.flow.fake_platform import PASSWORD

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Accounting]:
    async with accounting(tmp_path) as made:
        yield made


async def test_an_account_is_connected(world: Accounting) -> None:
    begun = await world.begin(CARLA)
    query = parse_qs(urlsplit(begun.url).query)
    assert query["redirect_uri"] == ["https://shares.example/oauth/bluesky/callback"]
    account = await world.finish(begun)
    assert isinstance(account, Account)
    assert (account.user_id, account.platform, account.external_id) == ("carla", "bluesky", "did:plc:anna")
    assert account.is_default
    _, tokens = await world.access.access(account.id)
    assert world.platform.accepts(tokens)
    assert [(each.action, each.actor, each.user_id, each.platform) for each in await world.audit()] == [
        ("account_connecting", "key:shop", "carla", "bluesky"),
        ("account_connected", "key:shop", "carla", "bluesky"),
    ]
    last = (await world.audit())[-1]
    assert (last.content.type, last.content.id, last.subject_id) == ("account", str(account.id), account.id)


async def test_a_callback_works_once(world: Accounting) -> None:
    begun = await world.begin()
    sent = world.platform.agree(begun.url)

    async def finish() -> Account | Choice | None:
        try:
            return await world.finish(begun, sent)
        except UnknownConnection:
            return None

    results = await asyncio.gather(*(finish() for _ in range(5)))
    assert sum(each is not None for each in results) == 1
    assert await finish() is None
    assert len(await world.store.of_user("anna")) == 1


async def test_the_state_of_another_browser_is_refused_and_stays_usable(world: Accounting) -> None:
    mine, attackers = await world.begin(), await world.begin(CARLA)
    sent = world.platform.agree(attackers.url)
    for browser in (mine.browser, None, "", "?" * 43):
        with pytest.raises(UnknownConnection):
            await world.connecting.finish("bluesky", sent, browser, request_id="r")
    assert await world.store.of_user("anna") == []
    assert isinstance(await world.finish(attackers, sent), Account)
    assert await world.store.of_user("anna") == []


@pytest.mark.parametrize("state", [None, "", "x" * 43])
async def test_an_invented_state_is_refused(world: Accounting, state: str | None) -> None:
    begun = await world.begin()
    sent = world.platform.agree(begun.url) | ({"state": state} if state is not None else {})
    if state is None:
        del sent["state"]
    with pytest.raises(UnknownConnection):
        await world.finish(begun, sent)


async def test_the_answer_of_another_platform_is_refused(world: Accounting) -> None:
    begun = await world.begin(platform="x")
    sent = world.platform.agree(begun.url)
    with pytest.raises(UnknownConnection):
        await world.finish(begun, sent)


async def test_a_state_holds_for_ten_minutes(world: Accounting) -> None:
    begun, late = await world.begin(), await world.begin()
    world.clock.move(minutes=9, seconds=59)
    assert isinstance(await world.finish(begun), Account)
    world.clock.move(seconds=1)
    with pytest.raises(UnknownConnection):
        await world.finish(late)


async def test_a_user_who_declines_is_believed(world: Accounting) -> None:
    begun = await world.begin()
    sent = world.platform.agree(begun.url)
    with pytest.raises(ConnectionDeclined, match="access_denied"):
        await world.finish(begun, {"state": sent["state"], "error": "access_denied"})
    with pytest.raises(UnknownConnection):
        await world.finish(begun, sent)
    assert await world.actions() == ["connecting", "connect_failed"]
    assert (await world.audit())[-1].error_code == "declined"


async def test_a_code_for_another_verifier_is_refused(world: Accounting) -> None:
    mine, stolen = await world.begin(), await world.begin()
    sent = world.platform.agree(mine.url) | {"code": world.platform.agree(stolen.url)["code"]}
    with pytest.raises(ConnectionRefused, match="refused the code"):
        await world.finish(mine, sent)
    assert (await world.actions())[-1] == "connect_failed"


async def test_a_platform_that_is_down_says_so(world: Accounting) -> None:
    begun = await world.begin()
    sent = world.platform.agree(begun.url)
    world.platform.down = True
    with pytest.raises(PlatformUnreachable):
        await world.begin()
    with pytest.raises(PlatformUnreachable):
        await world.finish(begun, sent)


@pytest.mark.parametrize("lost", [False, True])
async def test_connecting_again_keeps_the_account_and_its_refresh_token(world: Accounting, lost: bool) -> None:
    account = await world.connect()
    _, before = await world.access.access(account.id)
    if lost:
        stored = await world.store.by_id(account.id)
        assert stored is not None
        line = account_line("account_needs_reauth")
        assert await world.store.needs_reauth(account.id, revision=stored.revision, audit=line)
    world.platform.sends_refresh_tokens = False
    again = await world.connect()
    assert again.id == account.id
    assert again.status is AccountStatus.CONNECTED
    _, after = await world.access.access(account.id)
    assert after.access != before.access
    assert after.refresh == (None if lost else before.refresh), "one that was refused is of no use"
    assert (await world.actions())[-1] == "reconnected"


async def test_the_user_chooses_among_several(world: Accounting) -> None:
    world.platform.accounts = ("page:one", "page:two")
    begun = await world.begin()
    choice = await world.finish(begun)
    assert isinstance(choice, Choice)
    assert [each.external_id for each in choice.profiles] == ["page:one", "page:two"]
    assert await world.store.of_user("anna") == []
    other = await world.begin(CARLA)
    choose = world.connecting.choose
    with pytest.raises(UnknownConnection):
        await choose("bluesky", choice.token, "page:two", other.browser, request_id="r")
    account = await choose("bluesky", choice.token, "page:two", begun.browser, request_id="r")
    assert (account.external_id, account.handle) == ("page:two", "two")
    with pytest.raises(UnknownConnection):
        await choose("bluesky", choice.token, "page:one", begun.browser, request_id="r")
    assert [each.external_id for each in await world.store.of_user("anna")] == ["page:two"]


async def test_a_choice_that_was_not_offered_is_refused(world: Accounting) -> None:
    world.platform.accounts = ("page:one", "page:two")
    begun = await world.begin()
    choice = await world.finish(begun)
    assert isinstance(choice, Choice)
    with pytest.raises(UnknownConnection):
        await world.connecting.choose("bluesky", choice.token, "page:evil", begun.browser, request_id="r")


async def test_a_sign_in_without_an_account_is_refused(world: Accounting) -> None:
    world.platform.accounts = ()
    with pytest.raises(ConnectionRefused, match="no account"):
        await world.finish(await world.begin())


async def test_an_app_password_connects_without_a_browser(world: Accounting) -> None:
    sign_in = world.connecting.sign_in
    account = await sign_in(
        "bluesky", identifier="anna", password=PASSWORD, server="https://pds.example", caller=ANNA, request_id="r"
    )
    assert (account.external_id, account.server) == ("did:plc:anna", "https://pds.example")
    with pytest.raises(ConnectionRefused, match="wrong handle") as caught:
        await sign_in("bluesky", identifier="anna", password="hush", server="", caller=ANNA, request_id="r")
    assert "hush" not in str(caught.value)
    assert await world.actions() == ["connected", "connect_failed"]


async def test_what_is_not_configured_is_refused(world: Accounting) -> None:
    with pytest.raises(NotFound, match="bluesky, x"):
        await world.begin(platform="friendster")
    for missing in ({"sealing": None}, {"public_url": None}):
        parts = {"sealing": world.sealing, "public_url": "https://shares.example"} | missing
        connecting = Connecting(
            store=world.store,
            connectors=world.connectors,
            clock=world.clock,
            canonical=str.lower,
            **parts,  # type: ignore[arg-type]
        )
        with pytest.raises(Conflict, match=r"TOKEN_KEYS|PUBLIC_URL"):
            await connecting.begin("bluesky", "", ANNA, request_id="r")


async def test_a_server_that_does_not_exist_is_refused(world: Accounting) -> None:
    with pytest.raises(ConnectionRefused, match="no server"):
        await world.connecting.begin("bluesky", "https://nowhere.example", ANNA, request_id="r")


async def test_one_users_tokens_are_of_no_use_under_anothers_id(world: Accounting) -> None:
    annas, carlas = await world.connect(), await world.connect(CARLA)
    stored = await world.store.by_id(annas.id)
    other = await world.store.by_id(carlas.id)
    assert stored is not None
    assert other is not None
    assert await world.store.reseal(carlas.id, stored.sealed, revision=other.revision)
    moved = await world.store.by_id(carlas.id)
    assert moved is not None
    with pytest.raises(VaultError, match="cannot be decrypted") as caught:
        world.sealing.open_tokens(moved)
    assert "hush" not in repr(caught.value)
