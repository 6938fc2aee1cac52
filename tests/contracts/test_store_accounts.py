"""Connected accounts on every database: one row per account, leases, and compare-and-set on the tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.account import Account, AccountStatus
from sharetally.domain.ids import new_id
from sharetally.flow.retry import retry_transaction
from sharetally.ports import AccountWrite, AuditFilter, StoredAccount
from tests.contracts.account_rows import KEY, LATER, account_line, connecting, ids, pending, tokens
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    database_url_for,
    execute_sql,
    open_database,
    open_empty_database,
    query_int,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def actions(db: SqlDatabase) -> list[str]:
    return [each.action for each in await db.audit.page(AuditFilter(), limit=100, after=None)]


async def revision_of(db: SqlDatabase, account: Account) -> int:
    stored = await db.accounts.by_id(account.id)
    assert stored is not None
    return stored.revision


async def test_connecting_stores_an_account_with_its_audit_line(db: SqlDatabase) -> None:
    made = await db.accounts.connect(KEY, connecting())
    assert (made.user_id, made.platform, made.external_id, made.server) == KEY
    assert (made.handle, made.label, made.expires_at) == ("anna.example", None, LATER)
    assert (made.is_default, made.status) == (True, AccountStatus.CONNECTED)
    stored = await db.accounts.by_id(made.id)
    assert stored is not None
    assert (stored.account, stored.sealed, stored.revision, stored.refresh_at) == (made, "v1.k.AAAA", 1, AT)
    assert await db.accounts.by_id(new_id()) is None
    assert await actions(db) == ["account_connected"]


async def test_connecting_again_updates_the_existing_account(db: SqlDatabase) -> None:
    first = await db.accounts.connect(KEY, connecting())
    await db.accounts.change(first.id, label="shop", is_default=False)
    assert await db.accounts.needs_reauth(first.id, revision=1, audit=account_line("account_needs_reauth"))
    seen = list[StoredAccount | None]()

    def write(existing: StoredAccount | None) -> AccountWrite:
        seen.append(existing)
        return connecting("v1.k.NEW", handle="anna.new")(existing)

    again = await db.accounts.connect(KEY, write)
    assert seen[0] is not None
    assert seen[0].sealed == "v1.k.AAAA"
    assert again == replace(
        first, handle="anna.new", label="shop", status=AccountStatus.CONNECTED, updated_at=again.updated_at
    )
    assert await revision_of(db, first) == 2
    assert await db.accounts.of_user("anna") == [again]


async def test_the_same_account_of_another_user_or_server_is_another_account(db: SqlDatabase) -> None:
    keys = [KEY, KEY._replace(user_id="Anna"), KEY._replace(server="https://other.example"), KEY._replace(platform="x")]
    made = [await db.accounts.connect(key, connecting()) for key in keys]
    assert len({each.id for each in made}) == len(keys)
    assert [each.is_default for each in made] == [True, True, False, True]


async def test_one_account_per_platform_is_the_default(db: SqlDatabase) -> None:
    one, two, three = [
        await db.accounts.connect(KEY._replace(external_id=name), connecting()) for name in ("one", "two", "three")
    ]
    assert ids(await db.accounts.of_user("anna")) == ["one", "two", "three"]
    changed = await db.accounts.change(three.id, label=None, is_default=True)
    assert changed is not None
    assert changed.is_default
    assert ids(await db.accounts.of_user("anna")) == ["three", "one", "two"]
    assert [each.is_default for each in await db.accounts.of_user("anna")] == [True, False, False]
    assert await db.accounts.delete(three.id, revision=1, audit=account_line("account_disconnected"))
    assert [(each.external_id, each.is_default) for each in await db.accounts.of_user("anna")] == [
        ("one", True),
        ("two", False),
    ]
    assert await db.accounts.change(three.id, label="gone", is_default=True) is None
    assert (one.is_default, two.is_default) == (True, False)


async def test_of_many_first_accounts_at_once_one_is_the_default(db: SqlDatabase, url: str) -> None:
    async with AsyncExitStack() as stack:
        count = 1 if urlsplit(url).scheme == "sqlite" else 3  # SQLite serves one process
        processes = [db, *[await stack.enter_async_context(open_database(url)) for _ in range(count - 1)]]

        async def connect(number: int) -> Account:
            store = processes[number % count].accounts
            key = KEY._replace(external_id=f"page-{number % 4}")
            return await retry_transaction(lambda: store.connect(key, connecting()))

        await asyncio.gather(*(connect(number) for number in range(12)))
    made = await db.accounts.of_user("anna")
    assert sorted(ids(made)) == [f"page-{number}" for number in range(4)]
    assert sum(each.is_default for each in made) == 1


async def test_deleting_needs_the_revision_that_was_read(db: SqlDatabase) -> None:
    made = await db.accounts.connect(KEY, connecting())
    await db.accounts.connect(KEY, connecting())
    assert not await db.accounts.delete(made.id, revision=1, audit=account_line("account_disconnected"))
    assert await db.accounts.delete(made.id, revision=2, audit=account_line("account_disconnected"))
    assert not await db.accounts.delete(made.id, revision=2, audit=account_line("account_disconnected"))
    assert await db.accounts.of_user("anna") == []
    assert await actions(db) == ["account_disconnected", "account_connected", "account_connected"]


async def test_one_at_a_time_holds_the_lease(db: SqlDatabase, url: str) -> None:
    made = await db.accounts.connect(KEY, connecting())
    async with AsyncExitStack() as stack:
        others = [] if urlsplit(url).scheme == "sqlite" else [await stack.enter_async_context(open_database(url))]
        stores = [each.accounts for each in (db, *others)]
        holders = [new_id() for _ in range(8)]

        async def take(at: int) -> StoredAccount | None:
            store = stores[at % len(stores)]
            return await retry_transaction(lambda: store.take_lease(made.id, holders[at], seconds=60))

        taken = await asyncio.gather(*(take(at) for at in range(8)))
    (winner,) = [holder for holder, found in zip(holders, taken, strict=True) if found is not None]
    assert await db.accounts.take_lease(made.id, winner, seconds=60) is not None, "its first reply may have been lost"
    await db.accounts.release_lease(made.id, new_id())
    holders.remove(winner)
    assert await db.accounts.take_lease(made.id, holders[0], seconds=60) is None
    await db.accounts.release_lease(made.id, winner)
    assert await db.accounts.take_lease(made.id, holders[0], seconds=60) is not None
    assert await db.accounts.take_lease(new_id(), holders[0], seconds=60) is None


async def test_a_lease_that_ran_out_can_be_taken(db: SqlDatabase) -> None:
    made = await db.accounts.connect(KEY, connecting())
    assert await db.accounts.take_lease(made.id, new_id(), seconds=0) is not None
    found = await db.accounts.take_lease(made.id, new_id(), seconds=60)
    assert found is not None
    assert found.sealed == "v1.k.AAAA"


async def test_tokens_are_stored_by_compare_and_set(db: SqlDatabase) -> None:
    made = await db.accounts.connect(KEY, connecting())
    assert await db.accounts.take_lease(made.id, new_id(), seconds=60) is not None
    soon = LATER + timedelta(hours=2)
    first = tokens("v1.k.ONE", expires_at=soon, refresh_at=LATER)
    results = await asyncio.gather(
        *(
            retry_transaction(
                lambda: db.accounts.store_tokens(made.id, first, revision=1, audit=account_line("account_refreshed"))
            )
            for _ in range(5)
        )
    )
    assert sorted(results) == [False] * 4 + [True]
    stored = await db.accounts.by_id(made.id)
    assert stored is not None
    assert (stored.sealed, stored.revision, stored.account.expires_at, stored.refresh_at) == (
        "v1.k.ONE",
        2,
        soon,
        LATER,
    )
    assert await actions(db) == ["account_refreshed", "account_connected"]
    assert await db.accounts.take_lease(made.id, new_id(), seconds=60) is not None, "storing ends the lease"


async def test_resealing_keeps_the_lease_and_loses_against_new_tokens(db: SqlDatabase) -> None:
    made = await db.accounts.connect(KEY, connecting())
    assert await db.accounts.take_lease(made.id, new_id(), seconds=60) is not None
    assert await db.accounts.reseal(made.id, "v1.new.AAAA", revision=1)
    assert not await db.accounts.reseal(made.id, "v1.new.AAAA", revision=1)
    assert await db.accounts.take_lease(made.id, new_id(), seconds=60) is None
    assert not await db.accounts.store_tokens(made.id, tokens(), revision=1, audit=None)
    assert await db.accounts.store_tokens(made.id, tokens(), revision=2, audit=None)


async def test_needs_reauth_holds_only_for_the_tokens_that_were_refused(db: SqlDatabase) -> None:
    made = await db.accounts.connect(KEY, connecting())
    assert await db.accounts.store_tokens(made.id, tokens(), revision=1, audit=None)
    assert not await db.accounts.needs_reauth(made.id, revision=1, audit=account_line("account_needs_reauth"))
    assert await db.accounts.needs_reauth(made.id, revision=2, audit=account_line("account_needs_reauth"))
    (found,) = await db.accounts.of_user("anna")
    assert found.status is AccountStatus.NEEDS_REAUTH
    assert await db.accounts.due_for_refresh(LATER + timedelta(days=999), limit=10) == []


async def test_accounts_are_due_in_the_order_of_their_time(db: SqlDatabase) -> None:
    made = [
        await db.accounts.connect(
            KEY._replace(external_id=str(hours)), connecting(refresh_at=AT + timedelta(hours=hours))
        )
        for hours in (3, 1, 2)
    ]
    await db.accounts.connect(KEY._replace(external_id="never"), connecting(refresh_at=None))
    now = AT + timedelta(hours=2)
    assert await db.accounts.due_for_refresh(now, limit=10) == [made[1].id, made[2].id]
    assert await db.accounts.due_for_refresh(now, limit=1) == [made[1].id]
    line = account_line("account_refresh_failed", error_code="unavailable")
    await db.accounts.postpone_refresh(made[1].id, until=now + timedelta(minutes=1), audit=line)
    assert await db.accounts.due_for_refresh(now, limit=10) == [made[2].id]
    assert (await actions(db))[0] == "account_refresh_failed"


async def test_all_accounts_are_read_page_by_page(db: SqlDatabase) -> None:
    made = [await db.accounts.connect(KEY._replace(user_id=user), connecting()) for user in ("a", "b", "c")]
    first = await db.accounts.page(after=None, limit=2)
    rest = await db.accounts.page(after=first[-1].account.id, limit=2)
    assert [each.account for each in (*first, *rest)] == sorted(made, key=lambda each: each.id)


# connections that were begun


async def test_a_state_works_once_and_only_in_its_browser(db: SqlDatabase) -> None:
    begun = pending()
    await db.accounts.begin(begun, at_most=5, audit=account_line("account_connecting"))
    right = {"browser": begun.browser, "platform": "bluesky", "step": "authorize", "now": AT}
    for wrong in ({"browser": b"x" * 32}, {"platform": "x"}, {"step": "choose"}, {"now": LATER}):
        assert await db.accounts.redeem(begun.digest, **(right | wrong)) is None  # type: ignore[arg-type]
    assert await db.accounts.redeem(b"?" * 32, **right) is None  # type: ignore[arg-type]
    assert await db.accounts.redeem(begun.digest, **right) == begun  # type: ignore[arg-type]
    assert await db.accounts.redeem(begun.digest, **right) is None  # type: ignore[arg-type]
    assert await actions(db) == ["account_connecting"]


async def test_of_many_callbacks_at_once_one_gets_the_state(db: SqlDatabase) -> None:
    begun = pending()
    await db.accounts.begin(begun, at_most=5, audit=None)

    async def redeem() -> bool:
        found = await db.accounts.redeem(
            begun.digest, browser=begun.browser, platform="bluesky", step="authorize", now=AT
        )
        return found is not None

    assert sum(await asyncio.gather(*(retry_transaction(redeem) for _ in range(8)))) == 1


async def test_a_user_can_begin_only_so_many_and_expired_ones_go(db: SqlDatabase) -> None:
    now = await db.events.now()
    await db.accounts.begin(pending(user_id="carla", expires_at=now - timedelta(seconds=1)), at_most=3, audit=None)
    begun = [pending(expires_at=now + timedelta(minutes=number)) for number in range(1, 6)]
    for each in begun:
        await db.accounts.begin(each, at_most=3, audit=None)
    assert await query_int(db, "SELECT count(*) AS n FROM oauth_states") == 3
    for each in begun:
        found = await db.accounts.redeem(
            each.digest, browser=each.browser, platform="bluesky", step="authorize", now=now
        )
        assert (found is not None) == (each in begun[2:])


async def test_a_line_about_a_failure_is_recorded(db: SqlDatabase) -> None:
    line = account_line("account_connect_failed", error_code="declined")
    await db.accounts.record(line)
    (found,) = await db.audit.page(AuditFilter(platform="bluesky"), limit=10, after=None)
    assert found == line
    await execute_sql(db, "DELETE FROM oauth_states")
