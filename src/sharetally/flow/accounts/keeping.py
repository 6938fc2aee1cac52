"""What happens to accounts while nobody uses them: refreshes that are due, and keys that are exchanged.

Any number of processes may do either at the same time. Both write by compare-and-set, and neither makes a reader wait:
whoever reads an account finds tokens of the old key or of the new one, and a vault with both keys opens either.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from sharetally.domain.errors import Rejected, SharetallyError
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.sealing import Sealing
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock
from sharetally.ports.accounts import AccountStore, StoredAccount

INTERVAL_SECONDS = 30.0
AT_ONCE = 8
BATCH = 200
log = structlog.get_logger("sharetally.accounts")


class AccountKeeper:
    """Refreshes the tokens whose time has come."""

    def __init__(self, *, store: AccountStore, access: AccountAccess, sealing: Sealing, clock: Clock) -> None:
        self._store = store
        self._access = access
        self._sealing = sealing
        self._clock = clock

    async def run(self) -> None:
        """Refresh what is due, for ever."""
        while True:
            try:
                await self.refresh_due()
            except SharetallyError as error:
                log.warning("refreshing accounts failed", reason=error.detail)
            except Exception:
                log.exception("refreshing accounts broke")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def refresh_due(self) -> int:
        """Refresh what is due now; return how many accounts that were."""
        due = await self._store.due_for_refresh(self._clock.now(), limit=BATCH)
        limit = asyncio.Semaphore(AT_ONCE)

        async def refresh(stored: StoredAccount) -> None:
            async with limit:
                try:
                    await self._access.refresh(stored.account.id, self._sealing.open_tokens(stored))
                except Rejected:
                    return  # the audit says so
                except SharetallyError as error:
                    log.warning("an account was not refreshed", account=str(stored.account.id), reason=error.detail)

        found = [await self._store.by_id(account_id) for account_id in due]
        await asyncio.gather(*(refresh(stored) for stored in found if stored is not None))
        return len(due)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """What a rotation of keys did."""

    resealed: int
    unchanged: int


async def rotate_keys(store: AccountStore, sealing: Sealing) -> Rotation:
    """Seal the tokens of every account with the newest key; an account that changes meanwhile is read again."""
    resealed = unchanged = 0
    after = None
    while page := await store.page(after=after, limit=BATCH):
        for stored in page:
            if await _rotate(store, sealing, stored):
                resealed += 1
            else:
                unchanged += 1
        after = page[-1].account.id
    return Rotation(resealed=resealed, unchanged=unchanged)


async def _rotate(store: AccountStore, sealing: Sealing, stored: StoredAccount | None) -> bool:
    while stored is not None and (sealed := sealing.reseal(stored)) is not None:
        account_id, revision, text = stored.account.id, stored.revision, sealed
        if await retry_transaction(lambda i=account_id, r=revision, t=text: store.reseal(i, t, revision=r)):  # type: ignore[misc]
            return True
        stored = await store.by_id(account_id)
    return False
