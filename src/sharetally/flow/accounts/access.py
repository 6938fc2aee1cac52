"""The way to an account's tokens: whoever posts asks here, each time, and keeps no tokens of its own.

Tokens that expire soon are refreshed first. Within a process, all callers of one account await the same refresh; the
lease of `refreshing.py` does the same across processes.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from sharetally.domain.account import Tokens
from sharetally.flow.accounts.refreshing import AccountTokens, Refresher
from sharetally.flow.accounts.schedule import is_fresh
from sharetally.ports import Clock


class AccountAccess:
    """Gives out accounts with tokens that are good to use."""

    def __init__(self, refresher: Refresher, *, clock: Clock) -> None:
        self._refresher = refresher
        self._clock = clock
        self._refreshing: dict[UUID, asyncio.Task[AccountTokens]] = {}

    async def access(self, account_id: UUID, *, rejected: Tokens | None = None) -> AccountTokens:
        """The account and its tokens, fresh.

        `rejected` are tokens that the platform has just refused: if others are stored by now, those are returned, and
        otherwise they are refreshed. Raises `AccountMissing`, `ReconnectNeeded`, `PlatformUnreachable` (later is
        fine), or `VaultError`.
        """
        stored, tokens = await self._refresher.read(account_id)
        was_rejected = rejected is not None and rejected.access == tokens.access
        if is_fresh(tokens, self._clock.now()) and not was_rejected:
            return stored.account, tokens
        return await self.refresh(account_id, tokens, rejected=was_rejected)

    async def refresh(self, account_id: UUID, stale: Tokens, *, rejected: bool = False) -> AccountTokens:
        """Refresh now, unless the tokens are not `stale` any more. Cancelling the caller does not stop it."""
        task = self._refreshing.get(account_id)
        if task is None:
            refreshing = self._refresher.refresh(account_id, stale, rejected=rejected)
            task = asyncio.create_task(refreshing, name=f"refresh {account_id}")
            self._refreshing[account_id] = task
            task.add_done_callback(lambda done: self._forget(account_id, done))
        return await asyncio.shield(task)

    def _forget(self, account_id: UUID, task: asyncio.Task[AccountTokens]) -> None:
        self._refreshing.pop(account_id, None)
        if not task.cancelled():
            task.exception()  # whoever wanted to know it has awaited the task

    async def drain(self) -> None:
        """Wait for the refreshes that are under way, so that a shutdown loses no reply."""
        await asyncio.gather(*self._refreshing.values(), return_exceptions=True)
