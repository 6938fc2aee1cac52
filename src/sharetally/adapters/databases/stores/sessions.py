"""Sign-in codes and sessions of the console.

Redeeming a code deletes its row under a lock, in the transaction that inserts the session: a concurrent call finds no
row. Callers do not repeat a step by themselves, so a step that loses a conflict with another one is `Unavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine, conflicts_as_unavailable
from sharetally.adapters.databases.types import db_now
from sharetally.ports import Session, SessionStore, SignInCode

_CODES = tables.console_codes
_SESSIONS = tables.console_sessions
_NOW = sa.select(db_now().label("now"))


class SqlSessionStore(SessionStore):
    """Reads and writes `console_codes` and `console_sessions`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_code(self, code: SignInCode) -> None:
        """Insert the code."""
        row = {
            "digest": code.digest.hex(),
            "user_id": code.user_id,
            "scopes": " ".join(sorted(code.scopes)),
            "session_seconds": code.session_seconds,
            "expires_at": code.expires_at,
        }
        async with self._write_or_unavailable() as connection:
            await connection.insert(connection.batch(_CODES, [row]))

    async def redeem(self, digest: bytes, now: datetime, begin: Callable[[SignInCode], Session]) -> Session | None:
        """Delete the code and insert its session.

        Anybody can send any code, so the first look takes no lock and does not hold up the writers.
        """
        async with self._engine.read_connection() as connection:
            if not await connection.rows(sa.select(_CODES.c.digest).where(_CODES.c.digest == digest.hex())):
                return None
        async with self._write_or_unavailable() as connection:
            rows = await connection.select(_CODES, ("digest",), [(digest.hex(),)], lock=True)
            if not rows or rows[0]["expires_at"] <= now:
                return None
            row = rows[0]
            code = SignInCode(
                digest=digest,
                user_id=row["user_id"],
                scopes=frozenset(row["scopes"].split()),
                session_seconds=row["session_seconds"],
                expires_at=row["expires_at"],
            )
            await connection.delete(_CODES, "digest", [digest.hex()])
            session = begin(code)
            await connection.insert(connection.batch(_SESSIONS, [_row_of(session)]))
        return session

    async def add(self, session: Session) -> None:
        """Insert the session."""
        async with self._write_or_unavailable() as connection:
            await connection.insert(connection.batch(_SESSIONS, [_row_of(session)]))

    async def by_digest(self, digest: bytes) -> Session | None:
        """Read one row by the unique index on `digest`."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_SESSIONS).where(_SESSIONS.c.digest == digest.hex()))
        return _session_of(rows[0]) if rows else None

    async def record_use(self, session_id: UUID, at: datetime) -> None:
        """Update the row, unless another process stored a later time."""
        older = sa.and_(_SESSIONS.c.id == session_id, _SESSIONS.c.seen_at < at)
        async with self._write_or_unavailable() as connection:
            await connection.run(_SESSIONS.update().where(older).values(seen_at=at))

    async def all(self) -> list[Session]:
        """Read all rows."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_SESSIONS).order_by(_SESSIONS.c.id.desc()))
        return [_session_of(row) for row in rows]

    async def end(self, session_id: UUID) -> bool:
        """Delete the row."""
        async with self._write_or_unavailable() as connection:
            return await connection.run(_SESSIONS.delete().where(_SESSIONS.c.id == session_id)) > 0

    async def end_all_of(self, user_id: str) -> int:
        """Delete the user's rows in both tables."""
        async with self._write_or_unavailable() as connection:
            codes = await connection.run(_CODES.delete().where(_CODES.c.user_id == user_id))
            return codes + await connection.run(_SESSIONS.delete().where(_SESSIONS.c.user_id == user_id))

    async def purge(self, idle_seconds: float, *, at_most: int) -> int:
        """Delete by primary key, so that no row that stays is locked.

        The DELETE checks the times once more, for a session that was used since they were read.
        """
        async with self._write_or_unavailable() as connection:
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            idle = _SESSIONS.c.seen_at < now - timedelta(seconds=idle_seconds)
            targets: tuple[tuple[sa.Table, sa.Column[Any], sa.ColumnElement[bool]], ...] = (
                (_SESSIONS, _SESSIONS.c.id, sa.or_(_SESSIONS.c.expires_at < now, idle)),
                (_CODES, _CODES.c.digest, _CODES.c.expires_at < now),
            )
            deleted = 0
            for table, key, expired in targets:
                rows = await connection.rows(sa.select(key).where(expired).limit(at_most))
                if rows:
                    keys = [row[key.name] for row in rows]
                    deleted += await connection.run(table.delete().where(key.in_(keys), expired))
        return deleted

    @asynccontextmanager
    async def _write_or_unavailable(self) -> AsyncIterator[Connection]:
        with conflicts_as_unavailable():
            async with self._engine.write_transaction() as connection:
                yield connection


def _row_of(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "digest": session.digest.hex(),
        "user_id": session.user_id,
        "name": session.name,
        "scopes": " ".join(sorted(session.scopes)),
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
    }


def _session_of(row: Row) -> Session:
    names = ("id", "user_id", "name", "created_at", "seen_at", "expires_at")
    return Session(
        digest=bytes.fromhex(row["digest"]),
        scopes=frozenset(row["scopes"].split()),
        **{name: row[name] for name in names},
    )
