"""Analytics: content details, indexes for shares over time and for audit filters, the latest verification run.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.databases.types import UtcTime
from sharetally.adapters.migrations.steps import add_column_if_missing, create_index_if_missing, create_table_if_missing

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _content() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("content_type", exact_text(32), nullable=False), sa.Column(
        "content_id", exact_text(128), nullable=False
    )


def upgrade() -> None:
    """Add tables, a column and indexes; existing data stays unchanged."""
    create_table_if_missing(
        "content_details",
        *_content(),
        sa.Column("title", sa.String(300)),
        sa.Column("image", sa.String(2048)),
        sa.Column("url", sa.String(2048)),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("content_type", "content_id"),
    )
    create_table_if_missing(
        "content_words",
        sa.Column("word", exact_text(64), nullable=False),
        *_content(),
        sa.PrimaryKeyConstraint("word", "content_type", "content_id"),
        sa.Index("ix_content_words_content", "content_type", "content_id"),
    )
    create_table_if_missing(
        "last_verify",
        sa.Column("name", exact_text(16), primary_key=True),
        sa.Column("at", UtcTime),
        sa.Column("contents", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("drift", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("milliseconds", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("busy_until", UtcTime),
    )
    add_column_if_missing("api_keys", sa.Column("last_used_at", UtcTime))
    create_index_if_missing("ix_share_rollups_bucket", "share_rollups", "bucket")
    create_index_if_missing("ix_share_audit_kind", "share_audit", "platform", "action", "id")
    create_index_if_missing("ix_share_audit_request", "share_audit", "request_id")
    create_index_if_missing("ix_share_audit_subject", "share_audit", "subject_id")


def downgrade() -> None:
    """Remove them again."""
    for name in ("kind", "request", "subject"):
        op.drop_index(f"ix_share_audit_{name}", "share_audit")
    op.drop_index("ix_share_rollups_bucket", "share_rollups")
    op.drop_column("api_keys", "last_used_at")
    for table in ("last_verify", "content_words", "content_details"):
        op.drop_table(table)
