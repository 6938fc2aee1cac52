"""The core: ledger, audit, events, counts.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.databases.types import Id, UtcTime, db_now
from sharetally.adapters.migrations.audit_triggers import append_only_triggers
from sharetally.adapters.migrations.steps import create_table_if_missing, execute_statement

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _content() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("content_type", exact_text(32), nullable=False), sa.Column(
        "content_id", exact_text(128), nullable=False
    )


def upgrade() -> None:
    """Create the tables, and make the audit append-only."""
    _create_ledger()
    _create_audit()
    _create_events()
    _create_counts()
    _create_key_tables()


def _create_ledger() -> None:
    create_table_if_missing(
        "share_records",
        sa.Column("id", Id, primary_key=True),
        *_content(),
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
        sa.CheckConstraint("evidence IN ('declared', 'posted')", name="ck_share_records_evidence"),
    )
    create_table_if_missing(
        "share_links",
        sa.Column("id", Id, primary_key=True),
        sa.Column("code", exact_text(32), nullable=False),
        *_content(),
        sa.Column("user_id", exact_text(128), nullable=False),
        sa.Column("channel", exact_text(64), nullable=False),
        sa.Column("campaign", exact_text(64), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime),
        sa.Column("record_id", Id),
        sa.Column("deleted_at", UtcTime),
        sa.UniqueConstraint("code", name="uq_share_links_code"),
        sa.Index("ix_share_links_content", "content_type", "content_id", "id"),
        sa.Index("ix_share_links_user", "user_id", "id"),
    )
    create_table_if_missing(
        "adjustments",
        sa.Column("id", Id, primary_key=True),
        sa.Column("request_key", exact_text(128), nullable=False),
        *_content(),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("evidence", exact_text(16), nullable=False),
        sa.Column("channel", exact_text(64), nullable=False),
        sa.Column("campaign", exact_text(64), nullable=False),
        sa.Column("platform", exact_text(32)),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("actor", exact_text(160), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=db_now()),
        sa.UniqueConstraint("request_key", name="uq_adjustments_request_key"),
        sa.Index("ix_adjustments_content", "content_type", "content_id"),
    )


def _create_audit() -> None:
    create_table_if_missing(
        "share_audit",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("subject_id", Id, nullable=False),
        *_content(),
        sa.Column("user_id", exact_text(160), nullable=False),
        sa.Column("actor", exact_text(160), nullable=False),
        sa.Column("action", exact_text(32), nullable=False),
        sa.Column("platform", exact_text(32)),
        sa.Column("status", exact_text(16)),
        sa.Column("error_code", exact_text(64)),
        sa.Column("error_message", sa.String(500)),
        sa.Column("request_id", exact_text(128), nullable=False),
        sa.Index("ix_share_audit_content", "content_type", "content_id", "id"),
        sa.Index("ix_share_audit_user", "user_id", "id"),
    )
    for statement in append_only_triggers(op.get_context().dialect.name):
        execute_statement(statement)


def _create_events() -> None:
    create_table_if_missing(
        "events",
        sa.Column("id", Id, primary_key=True),
        sa.Column("job", exact_text(32), nullable=False),
        *_content(),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
        sa.Column("moved", sa.BigInteger, nullable=False),
        sa.Column("evidence", exact_text(16)),
        sa.Column("channel", exact_text(64)),
        sa.Column("campaign", exact_text(64)),
        sa.Column("from_evidence", exact_text(16)),
        sa.Column("from_channel", exact_text(64)),
        sa.Column("from_campaign", exact_text(64)),
        sa.Column("platform", exact_text(32)),
        sa.Column("share_id", Id),
        sa.Column("user_id", exact_text(128)),
        sa.Column("request_id", exact_text(128), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=db_now()),
        sa.Column("sent_at", UtcTime, nullable=False, server_default=db_now()),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("parked_reason", sa.String(500)),
        sa.Index("ix_events_content", "content_type", "content_id", "delta"),
    )
    create_table_if_missing(
        "queue_marks",
        sa.Column("queue", exact_text(32), primary_key=True),
        sa.Column("marked_at", UtcTime, nullable=False),
    )


def _create_counts() -> None:
    create_table_if_missing(
        "share_totals",
        *_content(),
        sa.Column("shares", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("content_type", "content_id"),
    )
    create_table_if_missing(
        "share_counts",
        *_content(),
        sa.Column("dimension", exact_text(16), nullable=False),
        sa.Column("value", exact_text(64), nullable=False),
        sa.Column("shares", sa.BigInteger, nullable=False),
        sa.Column("last_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("content_type", "content_id", "dimension", "value"),
    )
    create_table_if_missing(
        "share_rollups",
        *_content(),
        sa.Column("channel", exact_text(64), nullable=False),
        sa.Column("evidence", exact_text(16), nullable=False),
        sa.Column("bucket", UtcTime, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("withdrawn", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("content_type", "content_id", "channel", "evidence", "bucket"),
    )
    if op.get_context().dialect.name == "postgresql":
        # leaves free space in each page, so that the new version of a changed count fits there without an index update
        for table in ("share_totals", "share_counts", "share_rollups"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")


def _create_key_tables() -> None:
    create_table_if_missing(
        "idempotency_keys",
        sa.Column("caller", exact_text(160), nullable=False),
        sa.Column("key", exact_text(255), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary(length=2**24 - 1), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=db_now()),
        sa.PrimaryKeyConstraint("caller", "key"),
    )
    create_table_if_missing(
        "api_keys",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("scopes", exact_text(255), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("revoked_at", UtcTime),
    )


def downgrade() -> None:
    """Drop all tables, which leaves an empty database."""
    for table in (
        "api_keys", "idempotency_keys", "share_rollups", "share_counts", "share_totals",
        "queue_marks", "events", "share_audit", "adjustments", "share_links", "share_records",
    ):  # fmt: skip
        op.drop_table(table)
