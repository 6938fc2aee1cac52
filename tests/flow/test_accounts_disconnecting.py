"""Disconnecting where a platform knows one permission for several accounts of a user, as Facebook does for pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.account_harness import ANNA, CARLA, Accounting, accounting

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Accounting]:
    async with accounting(tmp_path) as made:
        yield made


@pytest.mark.parametrize("one_permission", [True, False])
async def test_the_other_accounts_keep_a_permission_that_they_share(world: Accounting, one_permission: bool) -> None:
    world.platform.revoke_ends_all = one_permission
    first = await world.connect()
    world.platform.accounts = ("did:plc:page",)
    second = await world.connect()
    await world.accounts.disconnect(first.id, ANNA, force=False, request_id="request-3")
    assert len(world.platform.revoked) == (0 if one_permission else 1)
    assert [each.id for each in await world.accounts.of_user(ANNA)] == [second.id]
    _, tokens = await world.access.access(second.id)
    assert world.platform.accepts(tokens)
    await world.accounts.disconnect(second.id, ANNA, force=False, request_id="request-4")
    assert world.platform.revoked[-1] == tokens.access
    assert await world.actions() == [*["connecting", "connected"] * 2, *["disconnected"] * 2]


async def test_another_users_account_keeps_nobodys_permission(world: Accounting) -> None:
    world.platform.revoke_ends_all = True
    account = await world.connect(ANNA)
    await world.connect(CARLA)
    await world.accounts.disconnect(account.id, ANNA, force=False, request_id="request-3")
    assert len(world.platform.revoked) == 1
