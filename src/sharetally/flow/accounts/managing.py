"""A user's own accounts: list, label, choose the default, disconnect.

Disconnecting gives the permission back at the platform first, and deletes our copy then. While it does so it holds the
account's lease, so that no refresh makes a new token in between. If the platform does not answer, nothing is deleted,
unless the user forces it: then the permission has to be withdrawn at the platform by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID

import structlog

from sharetally.domain.account import Account, AccountAction
from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.errors import Conflict, PlatformUnreachable
from sharetally.domain.ids import new_id
from sharetally.flow.accounts.errors import AccountMissing
from sharetally.flow.accounts.lines import audit_line
from sharetally.flow.accounts.refreshing import LEASE_SECONDS, REFRESH_SECONDS
from sharetally.flow.accounts.sealing import Sealing
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock
from sharetally.ports.accounts import AccountStore, StoredAccount
from sharetally.ports.posting_platform import Connector, PlatformUnavailable
from sharetally.ports.vault import VaultError

FORCE = "to delete our copy anyway, repeat with ?force=true and withdraw the permission at the platform yourself"
log = structlog.get_logger("sharetally.accounts")


class Accounts:
    """What a user can do with their own accounts."""

    def __init__(
        self, *, store: AccountStore, sealing: Sealing | None, connectors: Mapping[str, Connector], clock: Clock
    ) -> None:
        self._store = store
        self._sealing = sealing
        self._connectors = connectors
        self._clock = clock

    @property
    def platforms(self) -> list[str]:
        """Where accounts can be connected."""
        return sorted(self._connectors) if self._sealing is not None else []

    async def of_user(self, caller: Caller) -> list[Account]:
        """The caller's accounts."""
        return await self._store.of_user(caller.user_id)

    async def change(
        self, account_id: UUID, caller: Caller, *, label: str | None, make_default: bool, keep_label: bool
    ) -> Account:
        """Set the label unless it is kept, and make the account the default."""
        stored = await self._own(account_id, caller)
        new_label = stored.account.label if keep_label else label
        changed = await retry_transaction(
            lambda: self._store.change(account_id, label=new_label, is_default=make_default)
        )
        if changed is None:
            raise AccountMissing
        return changed

    async def disconnect(self, account_id: UUID, caller: Caller, *, force: bool, request_id: str) -> None:
        """Revoke the permission at the platform, then delete the account."""
        holder = new_id()
        stored = await self._own(account_id, caller)
        leased = await retry_transaction(lambda: self._store.take_lease(account_id, holder, seconds=LEASE_SECONDS))
        if leased is None and not force:
            raise Conflict("the account's tokens are being refreshed at this moment: try again in a minute")
        stored = leased or stored
        try:
            failure = await asyncio.shield(self._revoke(stored))
            if failure is not None and not force:
                line = self._line(AccountAction.REVOKE_FAILED, stored, caller, request_id, ("unavailable", failure))
                await retry_transaction(lambda: self._store.record(line))
                raise PlatformUnreachable(f"{failure}; {FORCE}")
            error = ("not-revoked", failure) if failure is not None else None
            line = self._line(AccountAction.DISCONNECTED, stored, caller, request_id, error)
            if not await retry_transaction(
                lambda: self._store.delete(account_id, revision=stored.revision, audit=line)
            ):
                raise Conflict("the account was connected again in the meantime")
        finally:
            await retry_transaction(lambda: self._store.release_lease(account_id, holder))
        log.info("an account was disconnected", account=str(account_id), platform=stored.account.platform)

    async def _own(self, account_id: UUID, caller: Caller) -> StoredAccount:
        stored = await self._store.by_id(account_id)
        if stored is None or stored.account.user_id != caller.user_id:
            raise AccountMissing
        return stored

    async def _revoke(self, stored: StoredAccount) -> str | None:
        """Give the permission back; return why that was not possible."""
        account = stored.account
        connector = self._connectors.get(account.platform)
        if connector is None or self._sealing is None:
            return f"{account.platform} is not configured here any more"
        try:
            tokens = self._sealing.open_tokens(stored)
            if connector.revoke_ends_all and await self._has_sibling(account):
                return None  # our copy goes, and the permission stays for the other accounts
            async with asyncio.timeout(REFRESH_SECONDS):
                await connector.revoke(account, tokens)
        except VaultError as error:
            log.warning("tokens cannot be revoked", account=str(account.id), reason=error.detail)
            return "the stored tokens cannot be decrypted"
        except (PlatformUnavailable, TimeoutError):
            return f"{account.platform} does not answer at the moment"
        return None

    async def _has_sibling(self, account: Account) -> bool:
        own = await self._store.of_user(account.user_id)
        return any(each.platform == account.platform and each.id != account.id for each in own)

    def _line(
        self,
        action: AccountAction,
        stored: StoredAccount,
        caller: Caller,
        request_id: str,
        error: tuple[str, str] | None,
    ) -> AuditEntry:
        account = stored.account
        return audit_line(
            self._clock,
            action,
            account.id,
            user_id=account.user_id,
            actor=caller.actor,
            platform=account.platform,
            request_id=request_id,
            error=error,
        )
