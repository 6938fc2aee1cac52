"""Connections that were begun: rows that can be used once, and only by the browser that began them.

A state is stored as its SHA-256 only. Redeeming it deletes its row under a lock, so a concurrent call finds none. A
call from another browser deletes nothing, so that nobody can spoil somebody else's connection.
"""

from __future__ import annotations

import hmac
from datetime import datetime

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.domain.audit import AuditEntry
from sharetally.ports.accounts import PendingConnection

_STATES = tables.oauth_states
_NOW = sa.select(db_now().label("now"))
MAX_PURGED = 1_000


class SqlPendingConnections:
    """Reads and writes `oauth_states`; `stores/accounts.py` adds the accounts."""

    _engine: Engine

    async def begin(self, pending: PendingConnection, *, at_most: int, audit: AuditEntry | None) -> None:
        """Insert the row; delete what has expired, and the user's oldest rows beyond the limit."""
        row = {
            "digest": pending.digest.hex(),
            "id": pending.id,
            "browser": pending.browser.hex(),
            "step": pending.step,
            "user_id": pending.user_id,
            "actor": pending.actor,
            "platform": pending.platform,
            "sealed": pending.sealed,
            "expires_at": pending.expires_at,
        }
        digest = _STATES.c.digest
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            expired = sa.select(digest).where(_STATES.c.expires_at < now).limit(MAX_PURGED)
            own = sa.select(digest).where(_STATES.c.user_id == pending.user_id)
            surplus = own.order_by(_STATES.c.expires_at.desc(), digest).limit(MAX_PURGED).offset(at_most - 1)
            unwanted = {each["digest"] for query in (expired, surplus) for each in await connection.rows(query)}
            await connection.delete(_STATES, "digest", sorted(unwanted))
            await connection.insert(connection.batch(_STATES, [row]))
            if audit is not None:
                await connection.insert(mapping.new_audit([audit], connection.bind))

    async def redeem(
        self, digest: bytes, *, browser: bytes, platform: str, step: str, now: datetime
    ) -> PendingConnection | None:
        """Look without a lock, as anybody can send any state; then delete under a lock what everything speaks for."""
        async with self._engine.read_connection() as connection:
            if not await connection.rows(sa.select(_STATES.c.digest).where(_STATES.c.digest == digest.hex())):
                return None
        async with self._engine.write_transaction() as connection:
            rows = await connection.select(_STATES, ("digest",), [(digest.hex(),)], lock=True)
            if not rows or rows[0]["expires_at"] <= now:
                return None
            pending = _pending(rows[0])
            same_browser = hmac.compare_digest(pending.browser, browser)
            if not same_browser or (pending.platform, pending.step) != (platform, step):
                return None
            await connection.delete(_STATES, "digest", [digest.hex()])
            return pending

    async def record(self, audit: AuditEntry) -> None:
        """Insert the line."""
        async with self._engine.write_transaction() as connection:
            await connection.insert(mapping.new_audit([audit], connection.bind))


def _pending(row: Row) -> PendingConnection:
    return PendingConnection(
        id=row["id"],
        digest=bytes.fromhex(row["digest"]),
        browser=bytes.fromhex(row["browser"]),
        step=row["step"],
        user_id=row["user_id"],
        actor=row["actor"],
        platform=row["platform"],
        sealed=row["sealed"],
        expires_at=row["expires_at"],
    )
