"""Tokens are refreshed once, stored before they are used, and a grant is lost only if the platform says so twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.domain.account import AccountStatus, Tokens
from sharetally.domain.errors import PlatformUnreachable, Unavailable
from sharetally.domain.ids import new_id
from sharetally.flow.accounts.errors import AccountMissing, ReconnectNeeded
from sharetally.flow.accounts.keeping import rotate_keys
from sharetally.flow.accounts.restoring import require_reconnecting
from sharetally.ports import StoredAccount, TokenWrite
from tests.contracts.account_rows import account_line
from tests.flow.account_harness import ANNA, NEW_KEY, OLD_KEY, Accounting, accounting, sealing_with

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Accounting]:
    async with accounting(tmp_path) as made:
        yield made


async def stored_tokens(world: Accounting) -> tuple[StoredAccount, Tokens]:
    (account,) = await world.store.of_user("anna")
    stored = await world.store.by_id(account.id)
    assert stored is not None
    return stored, world.sealing.open_tokens(stored)


async def test_fresh_tokens_are_used_as_they_are(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(minutes=57)
    assert (await world.access.access(account.id))[1] == (await stored_tokens(world))[1]
    assert world.platform.refreshes == 0
    with pytest.raises(AccountMissing):
        await world.access.access(new_id())


async def test_tokens_are_refreshed_ahead_of_their_expiry(world: Accounting) -> None:
    account = await world.connect()
    _, before = await stored_tokens(world)
    world.clock.move(minutes=59)
    shown, tokens = await world.access.access(account.id)
    assert tokens != before
    assert world.platform.accepts(tokens)
    assert (await stored_tokens(world))[1] == tokens
    assert shown.expires_at == tokens.expires_at
    assert await world.actions() == ["connecting", "connected", "refreshed"]


async def test_fifty_accesses_in_eight_processes_make_one_refresh(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    processes = [world.new_process() for _ in range(8)]
    results = await asyncio.gather(*(processes[at % 8].access.access(account.id) for at in range(50)))
    assert world.platform.refreshes == 1
    assert len({tokens.access for _, tokens in results}) == 1
    assert world.platform.accepts(results[0][1])


async def test_what_was_rejected_is_refreshed_unless_others_are_stored(world: Accounting) -> None:
    account = await world.connect()
    _, first = await world.access.access(account.id)
    _, second = await world.access.access(account.id, rejected=first)
    assert world.platform.refreshes == 1
    assert second != first
    assert (await world.new_process().access.access(account.id, rejected=first))[1] == second
    assert world.platform.refreshes == 1
    world.platform.down = True
    with pytest.raises(PlatformUnreachable):
        await world.access.access(account.id, rejected=second)


async def test_a_platform_that_is_down_disconnects_nobody(world: Accounting) -> None:
    account = await world.connect()
    _, before = await stored_tokens(world)
    world.platform.down = True
    world.clock.move(minutes=59)
    for _ in range(3):
        assert (await world.access.access(account.id))[1] == before, "good for another minute"
    world.clock.move(minutes=1)
    for _ in range(3):
        with pytest.raises(PlatformUnreachable):
            await world.access.access(account.id)
    assert await world.actions() == ["connecting", "connected", "refresh_failed"]
    world.platform.down = False
    assert world.platform.accepts((await world.access.access(account.id))[1])


async def test_a_client_that_breaks_disconnects_nobody(world: Accounting, capsys: pytest.CaptureFixture[str]) -> None:
    account = await world.connect()
    world.platform.broken = True
    world.clock.move(hours=2)
    with pytest.raises(PlatformUnreachable) as caught:
        await world.access.access(account.id)
    assert (await stored_tokens(world))[0].account.status is AccountStatus.CONNECTED
    shown = "".join(capsys.readouterr()) + repr(caught.value) + repr(await world.audit())
    assert not [secret for secret in world.platform.secrets if secret in shown]


async def test_a_lost_reply_ends_the_grant_and_the_account_says_so(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    world.platform.lose_reply = True
    with pytest.raises(PlatformUnreachable):
        await world.access.access(account.id)
    world.platform.lose_reply = False
    with pytest.raises(ReconnectNeeded):
        await world.access.access(account.id)
    with pytest.raises(ReconnectNeeded):
        await world.access.access(account.id)
    assert world.platform.refreshes == 2, "nobody asks again about a grant that is lost"
    assert (await stored_tokens(world))[0].account.status is AccountStatus.NEEDS_REAUTH
    assert (await world.actions())[2:] == ["refresh_failed", "needs_reauth"]
    assert (await world.connect()).status is AccountStatus.CONNECTED
    assert world.platform.accepts((await world.access.access(account.id))[1])


async def test_a_grant_is_not_lost_if_other_tokens_were_stored_meanwhile(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    stored, stale = await stored_tokens(world)
    rotated = await world.platform.refresh(account, stale)  # another process, whose lease has run out

    async def store_late() -> None:
        world.platform.before_refresh = None
        sealed = world.sealing.seal_tokens(rotated, user_id="anna", platform="bluesky", account_id=account.id)
        write = TokenWrite(sealed=sealed, expires_at=rotated.expires_at, refresh_at=None)
        assert await world.store.store_tokens(account.id, write, revision=stored.revision, audit=None)

    world.platform.before_refresh = store_late
    assert (await world.access.access(account.id))[1] == rotated
    assert (await stored_tokens(world))[0].account.status is AccountStatus.CONNECTED


async def test_a_reconnect_during_a_refresh_wins(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)

    async def reconnect() -> None:
        world.platform.before_refresh = None
        await world.connect()

    world.platform.before_refresh = reconnect
    _, tokens = await world.access.access(account.id)
    assert (await stored_tokens(world))[1] == tokens
    assert tokens.access != ""
    assert "refreshed" not in await world.actions()


async def test_a_new_key_during_a_refresh_does_not_lose_the_new_tokens(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    both = sealing_with(NEW_KEY, OLD_KEY)
    process = world.new_process(sealing=both)

    async def rotate() -> None:
        assert (await rotate_keys(world.store, both)).resealed == 1

    world.platform.before_refresh = rotate
    _, tokens = await process.access.access(account.id)
    (again,) = await world.store.page(after=None, limit=10)
    assert both.open_tokens(again) == tokens
    assert both.vault.key_of(again.sealed) == "new"
    assert world.platform.accepts(tokens)


async def test_a_caller_who_gives_up_stops_no_refresh(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    begun = asyncio.Event()

    async def report() -> None:
        begun.set()

    world.platform.before_refresh = report
    caller = asyncio.create_task(world.access.access(account.id))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await world.access.drain()
    assert world.platform.accepts((await stored_tokens(world))[1])
    assert world.platform.refreshes == 1


async def test_a_process_that_died_with_the_lease_holds_up_only_so_long(world: Accounting) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    assert await world.store.take_lease(account.id, new_id(), seconds=0.3) is not None
    assert world.platform.accepts((await world.access.access(account.id))[1])
    world.clock.move(minutes=59)
    assert await world.store.take_lease(account.id, new_id(), seconds=60) is not None
    _, good = await stored_tokens(world)
    assert (await world.access.access(account.id))[1] == good, "good for another minute"
    world.clock.move(minutes=1)
    with pytest.raises(PlatformUnreachable, match="does not finish"):
        await world.access.access(account.id)


async def test_a_database_that_fails_after_the_refresh_is_asked_again(
    world: Accounting, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await world.connect()
    world.clock.move(hours=2)
    store_tokens, failures = world.store.store_tokens, [True, True]

    async def fails_twice(*args: object, **kwargs: object) -> bool:
        done = await store_tokens(*args, **kwargs)  # type: ignore[arg-type]
        if failures:
            failures.pop()
            raise Unavailable("the reply to COMMIT was lost")
        return done

    monkeypatch.setattr(world.store, "store_tokens", fails_twice)
    _, tokens = await world.access.access(account.id)
    assert world.platform.accepts(tokens)
    assert (await stored_tokens(world))[1] == tokens
    assert await world.actions() == ["connecting", "connected", "refreshed"]


async def test_a_token_that_cannot_be_renewed_is_used_until_it_expires(world: Accounting) -> None:
    world.platform.sends_refresh_tokens = False
    account = await world.connect()
    _, tokens = await stored_tokens(world)
    world.clock.move(minutes=59)
    assert (await world.access.access(account.id))[1] == tokens
    assert await world.process.keeper.refresh_due() == 0
    assert world.platform.refreshes == 0, "there is nothing to ask for"
    with pytest.raises(ReconnectNeeded):
        await world.access.access(account.id, rejected=tokens)
    assert (await world.actions())[2:] == ["needs_reauth"]


async def test_an_account_that_cannot_be_renewed_says_so_once_it_has_expired(world: Accounting) -> None:
    """Without anybody posting from it, so that its user sees it in time."""
    world.platform.sends_refresh_tokens, world.platform.lifetime = False, timedelta(days=60)
    account = await world.connect()
    for _ in range(59):
        world.clock.move(days=1)
        assert await world.process.keeper.refresh_due() == 0
    world.clock.move(days=1)
    assert await world.process.keeper.refresh_due() == 1
    assert (await stored_tokens(world))[0].account.status is AccountStatus.NEEDS_REAUTH
    assert await world.actions() == ["connecting", "connected", "needs_reauth"]
    with pytest.raises(ReconnectNeeded):
        await world.access.access(account.id)


async def test_a_refresh_that_an_older_version_has_planned_disconnects_nobody(world: Accounting) -> None:
    """It planned one a week before the token expires, with or without a refresh token."""
    world.platform.sends_refresh_tokens = False
    account = await world.connect()
    line = account_line("account_refresh_failed", error_code="unavailable")
    await world.store.postpone_refresh(account.id, until=world.clock.now(), audit=line)
    assert await world.process.keeper.refresh_due() == 1
    assert await world.process.keeper.refresh_due() == 0
    assert (await stored_tokens(world))[0].account.status is AccountStatus.CONNECTED


async def test_a_token_that_renews_itself_is_not_used_up_by_a_restored_backup(world: Accounting) -> None:
    """As at Threads, where the access token is all that a refresh takes, and stays good until it expires."""
    for user, renews_itself in (("anna", True), ("carla", False)):
        account = await world.connect(ANNA._replace(user_id=user))
        stored = await world.store.by_id(account.id)
        assert stored is not None
        tokens = world.sealing.open_tokens(stored)
        own = replace(tokens, refresh=tokens.access) if renews_itself else tokens
        sealed = world.sealing.seal_tokens(own, user_id=user, platform="bluesky", account_id=account.id)
        write = TokenWrite(sealed=sealed, expires_at=own.expires_at, refresh_at=None)
        assert await world.store.store_tokens(account.id, write, revision=stored.revision, audit=None)
    assert await require_reconnecting(world.store, world.sealing, world.clock) == 1
    statuses = {user: (await world.store.of_user(user))[0].status for user in ("anna", "carla")}
    assert statuses == {"anna": AccountStatus.CONNECTED, "carla": AccountStatus.NEEDS_REAUTH}


# while nobody uses it


async def test_an_account_that_nobody_uses_is_kept_alive(world: Accounting) -> None:
    account = await world.connect()
    assert await world.process.keeper.refresh_due() == 0
    world.clock.move(days=3)
    assert await world.process.keeper.refresh_due() == 1
    assert world.platform.refreshes == 1
    assert await world.process.keeper.refresh_due() == 0
    world.clock.move(days=3)
    world.platform.end_grants()
    assert await world.process.keeper.refresh_due() == 1
    assert await world.process.keeper.refresh_due() == 0
    with pytest.raises(ReconnectNeeded):
        await world.access.access(account.id)


async def test_keys_rotate_under_load_without_a_failed_read(world: Accounting) -> None:
    made = [await world.connect(ANNA._replace(user_id=f"user-{number}")) for number in range(20)]
    both = sealing_with(NEW_KEY, OLD_KEY)
    process = world.new_process(sealing=both)
    stop, reads = asyncio.Event(), 0

    async def read() -> None:
        nonlocal reads
        while not stop.is_set():
            for account in made:
                await process.access.access(account.id)
                reads += 1
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(read())
        try:
            results = await asyncio.gather(rotate_keys(world.store, both), rotate_keys(world.store, both))
        finally:
            stop.set()
    assert reads
    assert sum(each.resealed for each in results) == 20
    assert sum(each.unchanged for each in results) == 20
    only_new = sealing_with(NEW_KEY)
    for stored in await world.store.page(after=None, limit=100):
        assert only_new.open_tokens(stored).access


# secrets


async def test_no_secret_appears_anywhere(
    world: Accounting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = await world.begin()
    await world.finish(begun)
    world.platform.accounts = ("page:one", "page:two")
    choice = await world.finish(await world.begin())
    world.clock.move(hours=2)
    (account,) = await world.store.of_user("anna")
    shown, tokens = await world.access.access(account.id)
    stored, _ = await stored_tokens(world)
    pieces = [shown, tokens, stored, begun, choice, replace(tokens), await world.audit()]
    world.platform.end_grants()
    with pytest.raises(ReconnectNeeded) as caught:
        await world.access.access(account.id, rejected=tokens)
    visible = "".join([*map(repr, pieces), repr(caught.value), *capsys.readouterr()])
    dump = await asyncio.to_thread(_bytes_below, tmp_path)
    assert len(world.platform.secrets) > 10
    for secret in (*world.platform.secrets, begun.browser):
        assert secret.encode() not in dump
        assert secret not in visible.replace(begun.url, "")


def _bytes_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
