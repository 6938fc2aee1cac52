"""After a restore from a backup: refresh tokens in it may have been used since, and one that is used twice is theft.

So every account that has a refresh token of its own has to be connected again. Asking the platform instead would end
the grant just as well, and would look like an attack.
"""

from __future__ import annotations

from sharetally.domain.account import AccountAction, AccountStatus
from sharetally.flow.accounts.keeping import BATCH
from sharetally.flow.accounts.lines import service_line
from sharetally.flow.accounts.sealing import Sealing
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock
from sharetally.ports.accounts import AccountStore, StoredAccount
from sharetally.ports.vault import VaultError

_REASON = ("restored", "the database was restored from a backup: the user has to connect the account again")


async def require_reconnecting(store: AccountStore, sealing: Sealing | None, clock: Clock) -> int:
    """Give each account whose refresh token may have been used the status `needs_reauth`; return how many those are."""
    changed, after = 0, None
    while page := await store.page(after=after, limit=BATCH):
        for stored in page:
            if stored.account.status is AccountStatus.CONNECTED and _may_be_used_up(stored, sealing):
                line = service_line(clock, AccountAction.NEEDS_REAUTH, stored.account, _REASON)
                account_id, revision = stored.account.id, stored.revision
                changed += await retry_transaction(
                    lambda i=account_id, r=revision, entry=line: store.needs_reauth(i, revision=r, audit=entry)  # type: ignore[misc]
                )
        after = page[-1].account.id
    return changed


def _may_be_used_up(stored: StoredAccount, sealing: Sealing | None) -> bool:
    if sealing is None:
        return True
    try:
        tokens = sealing.open_tokens(stored)
    except VaultError:
        return True
    return tokens.refresh not in {None, tokens.access}  # an access token that renews itself works until it expires
