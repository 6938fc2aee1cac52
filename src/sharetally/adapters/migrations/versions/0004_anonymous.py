"""Shares of visitors without an account: records may have the evidence `anonymous`.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.databases.types import Id, UtcTime
from sharetally.adapters.migrations.steps import create_table_if_missing

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = "ck_share_records_evidence"
_CHECK = "evidence IN ('anonymous', 'declared', 'posted')"


def upgrade() -> None:
    """Make the CHECK accept one more value; processes of the previous version keep working."""
    if op.get_context().dialect.name == "sqlite":
        _recreate_records()
    else:  # in one statement, so that the check is never missing and the statement is repeatable
        op.execute(f"ALTER TABLE share_records DROP CONSTRAINT {_NAME}, ADD CONSTRAINT {_NAME} CHECK ({_CHECK})")


def _recreate_records() -> None:
    """Move the rows to a new table: SQLite cannot change a constraint. All of this happens in one transaction."""
    op.rename_table("share_records", "share_records_before")
    create_table_if_missing(
        "share_records",
        sa.Column("id", Id, primary_key=True),
        sa.Column("content_type", exact_text(32), nullable=False),
        sa.Column("content_id", exact_text(128), nullable=False),
        sa.Column("platform", exact_text(32), nullable=False),
        sa.Column("user_id", exact_text(128), nullable=False),
        sa.Column("status", exact_text(16), nullable=False),
        sa.Column("evidence", exact_text(16), nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("error_code", exact_text(64)),
        sa.Column("error_message", sa.String(500)),
        sa.Column("first_shared_at", UtcTime),
        sa.Column("last_shared_at", UtcTime),
        sa.Column("external_id", exact_text(255)),
        sa.Column("external_url", sa.String(2048)),
        sa.UniqueConstraint("content_type", "content_id", "platform", "user_id", name="uq_share_records_key"),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'success', 'failed', 'unknown', 'withdrawn')",
            name="ck_share_records_status",
        ),
        sa.CheckConstraint(_CHECK, name=_NAME),
    )
    op.execute("INSERT INTO share_records SELECT * FROM share_records_before")
    op.drop_table("share_records_before")
