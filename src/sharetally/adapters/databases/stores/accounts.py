"""Connected accounts: their rows, their leases, and compare-and-set on the revision of their tokens.

A change of tokens is one UPDATE that names the revision it was computed from. What concerns the default account locks
all rows of the user on the platform, in the order of their ids; a unique constraint decides between two first accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.oauth_states import SqlPendingConnections
from sharetally.adapters.databases.types import db_now
from sharetally.domain.account import Account, AccountStatus
from sharetally.domain.audit import AuditEntry
from sharetally.ports.accounts import AccountKey, AccountStore, AccountWrite, StoredAccount, TokenWrite

_A = tables.accounts
_NOW = sa.select(db_now().label("now"))
_CONNECTED, _NEEDS_REAUTH = AccountStatus.CONNECTED.value, AccountStatus.NEEDS_REAUTH.value
_NO_LEASE: Mapping[str, Any] = {"lease_holder": None, "lease_until": None}


class SqlAccountStore(SqlPendingConnections, AccountStore):
    """Reads and writes `accounts`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def connect(self, key: AccountKey, write: Callable[[StoredAccount | None], AccountWrite]) -> Account:
        """Insert or update one row, with its line of the audit."""
        async with self._engine.write_transaction() as connection:
            now = await _now(connection)
            rows = await connection.select(_A, AccountKey._fields, [key], lock=True)
            existing = _stored(rows[0]) if rows else None
            values = write(existing)
            changes = {
                "handle": values.handle,
                "status": _CONNECTED,
                "expires_at": values.expires_at,
                "refresh_at": values.refresh_at,
                "sealed": values.sealed,
                "updated_at": now,
                **_NO_LEASE,
            }
            if existing is None:
                siblings = await connection.rows(
                    sa.select(_A.c.id).where(_A.c.user_id == key.user_id, _A.c.platform == key.platform).limit(1)
                )
                is_default = None if siblings else 1
                row = {"id": values.id, **key._asdict(), "label": None, "is_default": is_default, "created_at": now}
                await connection.insert(connection.batch(_A, [row | changes | {"revision": 1}]))
            else:
                statement = _A.update().where(_A.c.id == existing.account.id)
                await connection.run(statement.values(revision=_A.c.revision + 1, **changes))
            await _write_audit(connection, values.audit)
            return await _read_account(connection, values.id)

    async def by_id(self, account_id: UUID) -> StoredAccount | None:
        """Read one row."""
        async with self._engine.read_connection() as connection:
            rows = await connection.select(_A, ("id",), [(account_id,)])
        return _stored(rows[0]) if rows else None

    async def of_user(self, user_id: str) -> list[Account]:
        """Read the user's rows."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_A).where(_A.c.user_id == user_id))
        found = [_account(row) for row in rows]
        return sorted(found, key=lambda each: (each.platform, not each.is_default, each.created_at, each.id))

    async def page(self, *, after: UUID | None, limit: int) -> list[StoredAccount]:
        """Read by primary key."""
        statement = sa.select(_A).order_by(_A.c.id).limit(limit)
        if after is not None:
            statement = statement.where(_A.c.id > after)
        async with self._engine.read_connection() as connection:
            return [_stored(row) for row in await connection.rows(statement)]

    async def change(self, account_id: UUID, *, label: str | None, is_default: bool) -> Account | None:
        """Update the row, and with it the default's before."""
        async with self._engine.write_transaction() as connection:
            account = await _lock_with_siblings(connection, account_id)
            if account is None:
                return None
            if is_default and not account.is_default:
                same_platform = sa.and_(_A.c.user_id == account.user_id, _A.c.platform == account.platform)
                await connection.run(_A.update().where(same_platform, _A.c.is_default == 1).values(is_default=None))
            values = {"label": label, "updated_at": db_now()} | ({"is_default": 1} if is_default else {})
            await connection.run(_A.update().where(_A.c.id == account_id).values(**values))
            return await _read_account(connection, account_id)

    async def delete(self, account_id: UUID, *, revision: int, audit: AuditEntry) -> bool:
        """Delete the row under the locks of all that could become the default."""
        async with self._engine.write_transaction() as connection:
            account = await _lock_with_siblings(connection, account_id)
            if account is None or not await connection.run(_A.delete().where(*_same(account_id, revision))):
                return False
            if account.is_default:
                same_platform = sa.and_(_A.c.user_id == account.user_id, _A.c.platform == account.platform)
                oldest = sa.select(_A.c.id).where(same_platform).order_by(_A.c.created_at, _A.c.id).limit(1)
                for row in await connection.rows(oldest):
                    await connection.run(_A.update().where(_A.c.id == row["id"]).values(is_default=1))
            await _write_audit(connection, audit)
            return True

    async def needs_reauth(self, account_id: UUID, *, revision: int, audit: AuditEntry) -> bool:
        """Set the status if the tokens are still those that were refused."""
        values = {"status": _NEEDS_REAUTH, "refresh_at": None, "updated_at": db_now(), **_NO_LEASE}
        return await self._compare_and_set(account_id, revision, values, audit)

    async def take_lease(self, account_id: UUID, holder: UUID, *, seconds: float) -> StoredAccount | None:
        """Lock the row, and write the lease if it is free."""
        async with self._engine.write_transaction() as connection:
            rows = await connection.select(_A, ("id",), [(account_id,)], lock=True)
            now = await _now(connection)
            if not rows:
                return None
            until, is_own = rows[0]["lease_until"], rows[0]["lease_holder"] == holder
            if until is not None and until > now and not is_own:
                return None
            lease = {"lease_holder": holder, "lease_until": now + timedelta(seconds=seconds)}
            await connection.run(_A.update().where(_A.c.id == account_id).values(**lease))
            return _stored(rows[0])

    async def release_lease(self, account_id: UUID, holder: UUID) -> None:
        """Clear the lease if it is this holder's."""
        async with self._engine.write_transaction() as connection:
            mine = sa.and_(_A.c.id == account_id, _A.c.lease_holder == holder)
            await connection.run(_A.update().where(mine).values(**_NO_LEASE))

    async def store_tokens(
        self, account_id: UUID, tokens: TokenWrite, *, revision: int, audit: AuditEntry | None
    ) -> bool:
        """Set the tokens, if the revision is still the same."""
        values = {"sealed": tokens.sealed, "expires_at": tokens.expires_at, "refresh_at": tokens.refresh_at}
        return await self._compare_and_set(account_id, revision, {**values, **_NO_LEASE}, audit, new_tokens=True)

    async def reseal(self, account_id: UUID, sealed: str, *, revision: int) -> bool:
        """Set the sealed text, if the revision is still the same."""
        return await self._compare_and_set(account_id, revision, {"sealed": sealed}, None, new_tokens=True)

    async def postpone_refresh(self, account_id: UUID, *, until: datetime, audit: AuditEntry) -> None:
        """Set `refresh_at` of an account that is still connected."""
        async with self._engine.write_transaction() as connection:
            connected = sa.and_(_A.c.id == account_id, _A.c.status == _CONNECTED)
            if await connection.run(_A.update().where(connected).values(refresh_at=until)):
                await _write_audit(connection, audit)

    async def due_for_refresh(self, now: datetime, *, limit: int) -> list[UUID]:
        """Read the start of the index over status and time."""
        due = sa.and_(_A.c.status == _CONNECTED, _A.c.refresh_at <= now)
        statement = sa.select(_A.c.id).where(due).order_by(_A.c.refresh_at).limit(limit)
        async with self._engine.read_connection() as connection:
            return [row["id"] for row in await connection.rows(statement)]

    async def _compare_and_set(
        self,
        account_id: UUID,
        revision: int,
        values: Mapping[str, Any],
        audit: AuditEntry | None,
        *,
        new_tokens: bool = False,
    ) -> bool:
        raised = {"revision": _A.c.revision + 1} if new_tokens else {}
        async with self._engine.write_transaction() as connection:
            statement = _A.update().where(*_same(account_id, revision)).values(**values, **raised)
            if not await connection.run(statement):
                return False
            if audit is not None:
                await _write_audit(connection, audit)
            return True


def _same(account_id: UUID, revision: int) -> tuple[sa.ColumnElement[bool], ...]:
    return _A.c.id == account_id, _A.c.revision == revision


async def _now(connection: Connection) -> datetime:
    now: datetime = (await connection.rows_prepared(_NOW, {}))[0]["now"]
    return now


async def _lock_with_siblings(connection: Connection, account_id: UUID) -> Account | None:
    """Lock the user's accounts on the account's platform; None if there is no such account."""
    found = await connection.rows(sa.select(_A.c.user_id, _A.c.platform).where(_A.c.id == account_id))
    if not found:
        return None
    same_platform = sa.and_(_A.c.user_id == found[0]["user_id"], _A.c.platform == found[0]["platform"])
    rows = await connection.rows(sa.select(_A).where(same_platform).order_by(_A.c.id).with_for_update())
    return next((_account(row) for row in rows if row["id"] == account_id), None)


async def _read_account(connection: Connection, account_id: UUID) -> Account:
    return _account((await connection.rows(sa.select(_A).where(_A.c.id == account_id)))[0])


async def _write_audit(connection: Connection, entry: AuditEntry) -> None:
    await connection.insert(mapping.new_audit([entry], connection.bind))


def _account(row: Row) -> Account:
    names = ("id", *AccountKey._fields, "handle", "label", "expires_at", "created_at", "updated_at")
    return Account(
        is_default=bool(row["is_default"]),
        status=AccountStatus(row["status"]),
        **{name: row[name] for name in names},
    )


def _stored(row: Row) -> StoredAccount:
    return StoredAccount(
        account=_account(row), sealed=row["sealed"], revision=row["revision"], refresh_at=row["refresh_at"]
    )
