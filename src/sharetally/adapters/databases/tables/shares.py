"""What is true: records, links, adjustments, the audit, and the responses under idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, content_columns, exact_text, metadata
from sharetally.adapters.databases.types import Id, UtcTime, db_now

share_records = sa.Table(
    "share_records",
    metadata,
    sa.Column("id", Id, primary_key=True),
    *content_columns(),
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
    sa.CheckConstraint("status IN ('pending', 'sending', 'success', 'failed', 'unknown', 'withdrawn')", name="status"),
    sa.CheckConstraint("evidence IN ('anonymous', 'declared', 'posted')", name="evidence"),
    **MYSQL_OPTIONS,
)

share_links = sa.Table(
    "share_links",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("code", exact_text(32), nullable=False),
    *content_columns(),
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
    **MYSQL_OPTIONS,
)

adjustments = sa.Table(
    "adjustments",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("request_key", exact_text(128), nullable=False),
    *content_columns(),
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
    **MYSQL_OPTIONS,
)

share_audit = sa.Table(
    "share_audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("subject_id", Id, nullable=False),
    *content_columns(),
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
    sa.Index("ix_share_audit_kind", "platform", "action", "id"),
    sa.Index("ix_share_audit_request", "request_id"),
    sa.Index("ix_share_audit_subject", "subject_id"),
    **MYSQL_OPTIONS,
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("caller", exact_text(160), nullable=False),
    sa.Column("key", exact_text(255), nullable=False),
    sa.Column("request_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary(length=2**24 - 1), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False, server_default=db_now()),
    sa.PrimaryKeyConstraint("caller", "key"),
    sa.Index("ix_idempotency_keys_created_at", "created_at"),
    **MYSQL_OPTIONS,
)
