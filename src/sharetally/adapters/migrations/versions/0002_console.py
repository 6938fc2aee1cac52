"""Signing in to the console: one-time codes and sessions.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables import exact
from sharetally.adapters.databases.types import Id, UtcTime
from sharetally.adapters.migrations.steps import make_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    make_table(
        "console_codes",
        sa.Column("digest", exact(64), primary_key=True),
        sa.Column("user_id", exact(128), nullable=False),
        sa.Column("scopes", exact(255), nullable=False),
        sa.Column("session_seconds", sa.Integer, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
    )
    make_table(
        "console_sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("digest", exact(64), nullable=False),
        sa.Column("user_id", exact(128), nullable=False),
        sa.Column("name", sa.String(128)),
        sa.Column("scopes", exact(255), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("seen_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.UniqueConstraint("digest", name="uq_console_sessions_digest"),
    )
