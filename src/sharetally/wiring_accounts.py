"""Connected accounts: the vault, the platforms on which accounts can be connected, and the use cases over both.

Everything here is cheap to create: the vault reads its keys with the first token, and no connection is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sharetally.adapters import platforms
from sharetally.adapters.failpoints_posting import arm_connectors
from sharetally.adapters.vault import AesGcmVault
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.connecting import Connecting
from sharetally.flow.accounts.keeping import AccountKeeper
from sharetally.flow.accounts.managing import Accounts
from sharetally.flow.accounts.refreshing import Refresher
from sharetally.flow.accounts.sealing import Sealing
from sharetally.ports import AccountStore, Clock
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings, stores_tokens, token_keys
from sharetally.wiring_posting import create_connectors


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountServices:
    """The use cases. `access` and `keeper` are None where no tokens can be stored, or no platform is set up."""

    connecting: Connecting
    accounts: Accounts
    access: AccountAccess | None
    keeper: AccountKeeper | None


def create_sealing(settings: Settings) -> Sealing | None:
    """The vault; None where TOKEN_KEYS is missing and no key can be generated."""
    return Sealing(AesGcmVault(lambda: token_keys(settings))) if stores_tokens(settings) else None


def create_account_services(
    settings: Settings, store: AccountStore, clock: Clock, outbound: Callable[[], Outbound]
) -> AccountServices:
    """All use cases, over one vault and the same connectors."""
    sealing = create_sealing(settings)
    connectors = arm_connectors(create_connectors(settings, outbound), os.environ)
    access = keeper = None
    if sealing is not None and connectors:
        refresher = Refresher(store=store, sealing=sealing, connectors=connectors, clock=clock)
        access = AccountAccess(refresher, clock=clock)
        keeper = AccountKeeper(store=store, access=access, sealing=sealing, clock=clock)
    return AccountServices(
        connecting=Connecting(
            store=store,
            sealing=sealing,
            connectors=connectors,
            clock=clock,
            public_url=settings.public_url,
            canonical=platforms.canonical,
        ),
        accounts=Accounts(store=store, sealing=sealing, connectors=connectors, clock=clock),
        access=access,
        keeper=keeper,
    )
