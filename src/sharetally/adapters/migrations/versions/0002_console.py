"""One-time codes and sessions for the console.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.databases.types import Id, UtcTime
from sharetally.adapters.migrations.steps import create_table_if_missing

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    create_table_if_missing(
        "console_codes",
        sa.Column("digest", exact_text(64), primary_key=True),
        sa.Column("user_id", exact_text(128), nullable=False),
        sa.Column("scopes", exact_text(255), nullable=False),
        sa.Column("session_seconds", sa.Integer, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
    )
    create_table_if_missing(
        "console_sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("digest", exact_text(64), nullable=False),
        sa.Column("user_id", exact_text(128), nullable=False),
        sa.Column("name", sa.String(128)),
        sa.Column("scopes", exact_text(255), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("seen_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.UniqueConstraint("digest", name="uq_console_sessions_digest"),
    )
