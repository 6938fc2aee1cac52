"""An account that a user has connected: where posts go, and the tokens that allow it.

The tokens never leave the vault except for the call that uses them, and their `repr` shows none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class AccountStatus(StrEnum):
    """Whether the service may still act for the user; only the user can end `needs_reauth`, by connecting again."""

    CONNECTED = "connected"
    NEEDS_REAUTH = "needs_reauth"


class AccountAction(StrEnum):
    """What the audit records about accounts. Such a line has `ACCOUNT_CONTENT` as its content type.

    Its content id is the id of the account, or of the connection that was begun as long as there is no account.
    """

    CONNECTING = "account_connecting"
    CONNECTED = "account_connected"
    RECONNECTED = "account_reconnected"
    CONNECT_FAILED = "account_connect_failed"
    REFRESHED = "account_refreshed"
    REFRESH_FAILED = "account_refresh_failed"
    NEEDS_REAUTH = "account_needs_reauth"
    REVOKE_FAILED = "account_revoke_failed"
    DISCONNECTED = "account_disconnected"


ACCOUNT_CONTENT = "account"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One user's account on one platform.

    `external_id` is the platform's own permanent id (a DID, a numeric id, the id of a page) and `server` the base URL
    of the server that holds the account, empty where the platform has only one. `expires_at` is when the access token
    expires, None if it does not.
    """

    id: UUID
    user_id: str
    platform: str
    external_id: str
    server: str
    handle: str
    label: str | None
    is_default: bool
    status: AccountStatus
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """The secrets of one account; they change together.

    `refresh` is what renews them, None where only the user can. It is the access token itself at a platform where that
    one is enough.
    `private` holds what else a platform needs with them: the key that a DPoP token is bound to, the client that was
    registered with a Mastodon server, an app password.
    """

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    private: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Whose account it is, as the platform says after the user has agreed."""

    external_id: str
    handle: str
    server: str = ""
