"""Who may use the API and the console."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, exact_text, metadata
from sharetally.adapters.databases.types import Id, UtcTime

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("scopes", exact_text(255), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
    sa.Column("last_used_at", UtcTime),
    sa.Column("active_name", exact_text(64)),  # the name until the key is revoked: no two keys in use have the same
    sa.Index("ix_api_keys_active_name", "active_name", unique=True),
    **MYSQL_OPTIONS,
)

console_codes = sa.Table(
    "console_codes",
    metadata,
    sa.Column("digest", exact_text(64), primary_key=True),
    sa.Column("user_id", exact_text(128), nullable=False),
    sa.Column("scopes", exact_text(255), nullable=False),
    sa.Column("session_seconds", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    **MYSQL_OPTIONS,
)

console_sessions = sa.Table(
    "console_sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("digest", exact_text(64), nullable=False),
    sa.Column("user_id", exact_text(128), nullable=False),
    sa.Column("name", sa.String(128)),
    sa.Column("scopes", exact_text(255), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("seen_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.UniqueConstraint("digest", name="uq_console_sessions_digest"),
    **MYSQL_OPTIONS,
)
