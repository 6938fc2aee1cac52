"""Refreshing the tokens of one account, one at a time across all processes.

    take the lease and commit -> refresh at the platform, outside any transaction -> store by compare-and-set -> use

A lost reply can kill a grant, so nothing interrupts this: callers await it shielded, and a shutdown waits for it. What
the platform says is compared with the vault before it is believed: a grant is lost only if the tokens that were
refused are still the stored ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from sharetally.domain.account import Account, AccountAction, AccountStatus, Tokens
from sharetally.domain.audit import AuditEntry
from sharetally.domain.backoff import Backoff
from sharetally.domain.errors import PlatformUnreachable, TransientConflict, Unavailable
from sharetally.domain.ids import new_id
from sharetally.flow.accounts.errors import AccountMissing, ReconnectNeeded
from sharetally.flow.accounts.lines import service_line
from sharetally.flow.accounts.schedule import is_expired, next_refresh
from sharetally.flow.accounts.sealing import Sealing
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock
from sharetally.ports.accounts import AccountStore, StoredAccount, TokenWrite
from sharetally.ports.posting_platform import Connector, GrantLost, PlatformUnavailable

LEASE_SECONDS = 120.0  # longer than any refresh: a second one at the same time would use the same refresh token
REFRESH_SECONDS = 60.0
WAIT_SECONDS = 30.0  # for somebody else's refresh
FAILED_REFRESH_PAUSE = timedelta(minutes=30)  # nobody waits for it: whoever needs the tokens tries at once
POLL = Backoff(first=0.05, longest=0.5)
STORE_RETRIES = Backoff(first=0.1, longest=5.0, attempts=20)
log = structlog.get_logger("sharetally.accounts")
T = TypeVar("T")
AccountTokens = tuple[Account, Tokens]


class Refresher:
    """Gives an account fresh tokens."""

    def __init__(
        self,
        *,
        store: AccountStore,
        sealing: Sealing,
        connectors: Mapping[str, Connector],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._sealing = sealing
        self._connectors = connectors
        self._clock = clock
        self._sleep = sleep

    async def read(self, account_id: UUID) -> tuple[StoredAccount, Tokens]:
        """The account and its tokens as they are stored; `ReconnectNeeded` if they are of no use."""
        stored = await self._store.by_id(account_id)
        if stored is None:
            raise AccountMissing
        if stored.account.status is AccountStatus.NEEDS_REAUTH:
            raise ReconnectNeeded
        return stored, self._sealing.open_tokens(stored)

    async def refresh(self, account_id: UUID, stale: Tokens, *, rejected: bool = False) -> AccountTokens:
        """Other tokens than `stale`, by whoever refreshes them first; `rejected` says that the platform refused them.

        Raises `AccountMissing` or `ReconnectNeeded`. If the refresh fails, the stale ones are returned as long as they
        are good for anything; otherwise `PlatformUnreachable` is raised.
        """
        holder, waited = new_id(), 0.0
        for pause in POLL:
            leased = await self._retried(lambda: self._store.take_lease(account_id, holder, seconds=LEASE_SECONDS))
            if leased is not None:
                return await self._refresh_leased(leased, holder, stale, rejected)
            stored, tokens = await self.read(account_id)
            if tokens.access != stale.access:
                return stored.account, tokens
            if waited >= WAIT_SECONDS:
                return self._or_stale(stored.account, tokens, rejected, "another process does not finish its refresh")
            await self._sleep(pause)
            waited += pause
        raise AssertionError("the pauses never end")

    async def _refresh_leased(
        self, stored: StoredAccount, holder: UUID, stale: Tokens, rejected: bool
    ) -> AccountTokens:
        try:
            if stored.account.status is AccountStatus.NEEDS_REAUTH:
                raise ReconnectNeeded
            tokens = self._sealing.open_tokens(stored)
            if tokens.access != stale.access:  # somebody was faster
                return stored.account, tokens
            return await self._refresh_at_platform(stored, tokens, rejected)
        finally:
            await self._release(stored.account.id, holder)

    async def _refresh_at_platform(self, stored: StoredAccount, tokens: Tokens, rejected: bool) -> AccountTokens:
        account = stored.account
        connector = self._connectors.get(account.platform)
        if connector is None:
            return await self._failed(stored, tokens, rejected, f"{account.platform} is not configured here any more")
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                fresh = await connector.refresh(account, tokens)
        except GrantLost:
            return await self._lost(account.id, tokens, rejected)
        except (PlatformUnavailable, TimeoutError):
            return await self._failed(stored, tokens, rejected, f"{account.platform} does not answer at the moment")
        except Exception as error:  # a fault in the client must not disconnect the account; it could quote a secret
            log.error("a refresh broke", platform=account.platform, kind=type(error).__name__)
            return await self._failed(stored, tokens, rejected, "the refresh failed inside this service")
        if fresh.refresh is None:
            fresh = replace(fresh, refresh=tokens.refresh)
        return await self._keep(stored, tokens, fresh)

    async def _keep(self, stored: StoredAccount, old: Tokens, fresh: Tokens) -> AccountTokens:
        """Store the fresh tokens before anybody uses them; try for long, because the old ones may be dead."""
        account = stored.account
        while True:
            sealed = self._sealing.seal_tokens(
                fresh, user_id=account.user_id, platform=account.platform, account_id=account.id
            )
            write = TokenWrite(
                sealed=sealed, expires_at=fresh.expires_at, refresh_at=next_refresh(fresh, self._clock.now())
            )
            line = service_line(self._clock, AccountAction.REFRESHED, account)
            revision = stored.revision
            if await self._retried(
                lambda write=write, line=line, revision=revision: self._store.store_tokens(  # type: ignore[misc]
                    account.id, write, revision=revision, audit=line
                )
            ):
                return replace(account, expires_at=fresh.expires_at), fresh
            stored, current = await self._retried(lambda: self.read(account.id))
            if current != old:  # connected again, or refreshed by somebody whose lease began after ours ended
                return stored.account, current
            # the same tokens under another key: only the revision is new

    async def _lost(self, account_id: UUID, refused: Tokens, rejected: bool) -> AccountTokens:
        """The platform says that the grant is gone: believe it if nobody has stored other tokens meanwhile."""
        while True:
            stored, current = await self.read(account_id)
            account = stored.account
            if current != refused:
                return account, current
            now = self._clock.now()
            is_usable = not rejected and not is_expired(current, now)
            if current.refresh is None and current.expires_at is not None and is_usable:
                # it could never be refreshed, and is good until it expires
                line = service_line(
                    self._clock,
                    AccountAction.REFRESH_FAILED,
                    account,
                    ("not-renewable", "the platform does not renew this token: connect the account again in time"),
                )
                await self._postpone(account, current.expires_at, line)
                return account, current
            line = service_line(
                self._clock,
                AccountAction.NEEDS_REAUTH,
                account,
                ("grant-lost", "the platform has ended the permission: the user has to connect the account again"),
            )
            revision = stored.revision
            if await retry_transaction(
                lambda line=line, revision=revision: self._store.needs_reauth(  # type: ignore[misc]
                    account_id, revision=revision, audit=line
                )
            ):
                log.warning("an account has to be connected again", account=str(account_id), platform=account.platform)
                raise ReconnectNeeded

    async def _failed(self, stored: StoredAccount, tokens: Tokens, rejected: bool, reason: str) -> AccountTokens:
        """A failure that may pass never disconnects the account; the audit has one line about it in half an hour."""
        now, account = self._clock.now(), stored.account
        is_first = stored.refresh_at is None or not now < stored.refresh_at <= now + FAILED_REFRESH_PAUSE
        line = service_line(self._clock, AccountAction.REFRESH_FAILED, account, ("unavailable", reason))
        if is_first:
            await self._postpone(account, now + FAILED_REFRESH_PAUSE, line)
        return self._or_stale(account, tokens, rejected, reason)

    def _or_stale(self, account: Account, tokens: Tokens, rejected: bool, reason: str) -> AccountTokens:
        """The tokens that there are, if they are good for anything."""
        if rejected or is_expired(tokens, self._clock.now()):
            raise PlatformUnreachable(f"{reason}; try again later")
        return account, tokens

    async def _postpone(self, account: Account, until: datetime, line: AuditEntry) -> None:
        await retry_transaction(lambda: self._store.postpone_refresh(account.id, until=until, audit=line))

    async def _release(self, account_id: UUID, holder: UUID) -> None:
        try:
            await self._store.release_lease(account_id, holder)
        except (Unavailable, TransientConflict) as error:  # it runs out by itself
            log.warning("a lease was not given back", account=str(account_id), reason=error.detail)

    async def _retried(self, step: Callable[[], Awaitable[T]]) -> T:
        for pause in STORE_RETRIES:
            try:
                return await retry_transaction(step)
            except Unavailable as error:
                log.warning("the database does not answer during a refresh", reason=error.detail)
                await self._sleep(pause)
        return await retry_transaction(step)
