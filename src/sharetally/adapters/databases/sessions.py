"""Codes and sessions of the console.

A code is used up by deleting its row under a lock, in the transaction that writes the session: who comes
second finds no row. Nobody runs such a step again by himself, so one that loses to a deadlock is `Unavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.engine import Engine, conflicts_as_unavailable
from sharetally.adapters.databases.types import db_now
from sharetally.ports import Session, SignInCode

_CODES = tables.console_codes
_SESSIONS = tables.console_sessions


class SqlSessionStore:
    """Who is signed in, and who may sign in."""

    _engine: Engine

    async def add_code(self, code: SignInCode) -> None:
        """Store a new code."""
        async with self._write_or_unavailable() as connection:
            await connection.insert((_CODES, [mapping.code_row(code)]))

    async def redeem(self, digest: bytes, now: datetime, begin: Callable[[SignInCode], Session]) -> Session | None:
        """Use the code up; what anybody may send is looked for without a lock first, beside the writers."""
        async with self._engine.read_connection() as connection:
            if not await connection.rows(sa.select(_CODES.c.digest).where(_CODES.c.digest == digest.hex())):
                return None
        async with self._write_or_unavailable() as connection:
            rows = await connection.select(_CODES, ("digest",), [(digest.hex(),)], lock=True)
            code = mapping.code_of(rows[0]) if rows else None
            if code is None or code.expires_at <= now:
                return None
            await connection.delete(_CODES, "digest", [digest.hex()])
            session = begin(code)
            await connection.insert((_SESSIONS, [mapping.session_row(session)]))
        return session

    async def begin_session(self, session: Session) -> None:
        """Store a new session."""
        async with self._write_or_unavailable() as connection:
            await connection.insert((_SESSIONS, [mapping.session_row(session)]))

    async def session_by_digest(self, digest: bytes) -> Session | None:
        """The session with this SHA-256."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_SESSIONS).where(_SESSIONS.c.digest == digest.hex()))
        return mapping.session_of(rows[0]) if rows else None

    async def record_session_use(self, session_id: UUID, at: datetime) -> None:
        """Note it, unless somebody noted a later time."""
        older = sa.and_(_SESSIONS.c.id == session_id, _SESSIONS.c.seen_at < at)
        async with self._write_or_unavailable() as connection:
            await connection.run(_SESSIONS.update().where(older).values(seen_at=at))

    async def sessions(self) -> list[Session]:
        """All sessions, newest first."""
        newest = sa.select(_SESSIONS).order_by(_SESSIONS.c.id.desc())
        async with self._engine.read_connection() as connection:
            return [mapping.session_of(row) for row in await connection.rows(newest)]

    async def end_session(self, session_id: UUID) -> bool:
        """Forget a session."""
        async with self._write_or_unavailable() as connection:
            return await connection.run(_SESSIONS.delete().where(_SESSIONS.c.id == session_id)) > 0

    async def end_sessions_of(self, user_id: str) -> int:
        """Forget what one user has."""
        async with self._write_or_unavailable() as connection:
            codes = await connection.run(_CODES.delete().where(_CODES.c.user_id == user_id))
            return codes + await connection.run(_SESSIONS.delete().where(_SESSIONS.c.user_id == user_id))

    async def purge_sessions(self, idle_seconds: float, *, at_most: int) -> int:
        """Forget what is past; the time is asked again for a session that was seen meanwhile."""
        async with self._write_or_unavailable() as connection:
            now = (await connection.rows(sa.select(db_now().label("now"))))[0]["now"]
            expired = sa.or_(_SESSIONS.c.expires_at < now, _SESSIONS.c.seen_at < now - timedelta(seconds=idle_seconds))
            ended = await self._purge(connection, _SESSIONS, _SESSIONS.c.id, expired, at_most)
            return ended + await self._purge(connection, _CODES, _CODES.c.digest, _CODES.c.expires_at < now, at_most)

    @staticmethod
    async def _purge(
        connection: Connection, table: sa.Table, key: sa.Column[object], expired: sa.ColumnElement[bool], at_most: int
    ) -> int:
        """By primary key, so that no row is locked that stays."""
        keys = [row[key.name] for row in await connection.rows(sa.select(key).where(expired).limit(at_most))]
        return await connection.run(table.delete().where(key.in_(keys), expired)) if keys else 0

    @asynccontextmanager
    async def _write_or_unavailable(self) -> AsyncIterator[Connection]:
        with conflicts_as_unavailable():
            async with self._engine.write_transaction() as connection:
                yield connection
