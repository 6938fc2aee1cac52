"""The schema, as statements see it; `adapters/migrations` is how it came to be.

A test holds the two against each other. Which column means what is told at the value in `domain/` that
it stores; here stands only what a database needs to know.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases.types import Id, UtcTime, db_now

metadata = sa.MetaData(
    naming_convention={
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# Compared byte by byte everywhere: PostgreSQL by column, MySQL and MariaDB by table, SQLite by nature.
MYSQL_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_0900_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """Text that is compared exactly."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _content_columns() -> tuple[sa.Column[str], sa.Column[str]]:
    return (
        sa.Column("content_type", exact_text(32), nullable=False),
        sa.Column("content_id", exact_text(128), nullable=False),
    )


share_records = sa.Table(
    "share_records",
    metadata,
    sa.Column("id", Id, primary_key=True),
    *_content_columns(),
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
    *_content_columns(),
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

share_audit = sa.Table(
    "share_audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("subject_id", Id, nullable=False),
    *_content_columns(),
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

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job", exact_text(32), nullable=False),
    *_content_columns(),
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
    **MYSQL_OPTIONS,
)

share_totals = sa.Table(
    "share_totals",
    metadata,
    *_content_columns(),
    sa.Column("shares", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id"),
    **MYSQL_OPTIONS,
)

share_counts = sa.Table(
    "share_counts",
    metadata,
    *_content_columns(),
    sa.Column("dimension", exact_text(16), nullable=False),
    sa.Column("value", exact_text(64), nullable=False),
    sa.Column("shares", sa.BigInteger, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id", "dimension", "value"),
    **MYSQL_OPTIONS,
)

share_rollups = sa.Table(
    "share_rollups",
    metadata,
    *_content_columns(),
    sa.Column("channel", exact_text(64), nullable=False),
    sa.Column("evidence", exact_text(16), nullable=False),
    sa.Column("bucket", UtcTime, nullable=False),
    sa.Column("made", sa.BigInteger, nullable=False),
    sa.Column("withdrawn", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id", "channel", "evidence", "bucket"),
    sa.Index("ix_share_rollups_bucket", "bucket"),
    **MYSQL_OPTIONS,
)

adjustments = sa.Table(
    "adjustments",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("request_key", exact_text(128), nullable=False),
    *_content_columns(),
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

content_details = sa.Table(
    "content_details",
    metadata,
    *_content_columns(),
    sa.Column("title", sa.String(300)),
    sa.Column("image", sa.String(2048)),
    sa.Column("url", sa.String(2048)),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id"),
    **MYSQL_OPTIONS,
)

content_words = sa.Table(
    "content_words",
    metadata,
    sa.Column("word", exact_text(64), nullable=False),
    *_content_columns(),
    sa.PrimaryKeyConstraint("word", "content_type", "content_id"),
    sa.Index("ix_content_words_content", "content_type", "content_id"),
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

queue_marks = sa.Table(
    "queue_marks",
    metadata,
    sa.Column("queue", exact_text(32), primary_key=True),
    sa.Column("marked_at", UtcTime, nullable=False),
    **MYSQL_OPTIONS,
)

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

last_verify = sa.Table(
    "last_verify",
    metadata,
    sa.Column("name", exact_text(16), primary_key=True),
    sa.Column("at", UtcTime),
    sa.Column("contents", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("drift", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("milliseconds", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("busy_until", UtcTime),
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

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False, server_default=db_now()),
    **MYSQL_OPTIONS,
)

delivery_gates = sa.Table(
    "delivery_gates",
    metadata,
    sa.Column("gate", exact_text(64), primary_key=True),
    sa.Column("closed_until", UtcTime),
    sa.Column("reason", sa.String(500), nullable=False),
    **MYSQL_OPTIONS,
)

delivery_targets = sa.Table(
    "delivery_targets",
    metadata,
    sa.Column("kind", exact_text(32), nullable=False),
    sa.Column("target", exact_text(160), nullable=False),
    sa.Column("gate", exact_text(64), nullable=False),
    sa.Column("failing", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("next_due", UtcTime),
    sa.Column("blocked_until", UtcTime),
    sa.Column("in_flight", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("max_in_flight", sa.Integer, nullable=False),
    sa.Column("waiting", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("disabled_at", UtcTime),
    sa.PrimaryKeyConstraint("kind", "target"),
    sa.Index("ix_delivery_targets_due", "gate", "failing", "next_due", "kind", "target"),
    **MYSQL_OPTIONS,
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", exact_text(32), nullable=False),
    sa.Column("target", exact_text(160), nullable=False),
    sa.Column("key", exact_text(128), nullable=False),
    sa.Column("message_id", Id, nullable=False),
    sa.Column("state", exact_text(16), nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("scheduled_at", UtcTime),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("worker", Id),
    sa.Column("attempt_stored_at", UtcTime),
    sa.Column("last_error", sa.String(500)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("kind", "target", "key", name="uq_deliveries_key"),
    sa.CheckConstraint("state IN ('waiting', 'sending', 'dead', 'unknown', 'cancelled')", name="state"),
    sa.Index("ix_deliveries_due", "kind", "target", "state", "due_at", "id"),
    sa.Index("ix_deliveries_state", "state", "kind", "due_at", "id"),
    sa.Index("ix_deliveries_message", "message_id"),
    **MYSQL_OPTIONS,
)

delivery_log = sa.Table(
    "delivery_log",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", exact_text(32), nullable=False),
    sa.Column("target", exact_text(160), nullable=False),
    sa.Column("key", exact_text(128), nullable=False),
    sa.Column("outcome", exact_text(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_error", sa.String(500)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime, nullable=False),
    sa.CheckConstraint("outcome IN ('done', 'discarded', 'cancelled')", name="outcome"),
    sa.Index("ix_delivery_log_target", "kind", "target", "outcome", "finished_at", "id"),
    sa.Index("ix_delivery_log_outcome", "outcome", "finished_at", "id"),
    **MYSQL_OPTIONS,
)

delivery_workers = sa.Table(
    "delivery_workers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("beats", sa.BigInteger, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("beat_at", UtcTime, nullable=False),
    **MYSQL_OPTIONS,
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", exact_text(128), nullable=False),
    sa.Column("platform", exact_text(32), nullable=False),
    sa.Column("external_id", exact_text(255), nullable=False),
    sa.Column("server", exact_text(255), nullable=False),
    sa.Column("handle", sa.String(255), nullable=False),
    sa.Column("label", sa.String(100)),
    sa.Column("is_default", sa.SmallInteger),  # 1 or NULL, so that the unique constraint permits one per platform
    sa.Column("status", exact_text(16), nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("refresh_at", UtcTime),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("lease_holder", Id),
    sa.Column("lease_until", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.UniqueConstraint("user_id", "platform", "external_id", "server", name="uq_accounts_key"),
    sa.UniqueConstraint("user_id", "platform", "is_default", name="uq_accounts_default"),
    sa.CheckConstraint("status IN ('connected', 'needs_reauth')", name="status"),
    sa.Index("ix_accounts_refresh", "status", "refresh_at"),
    **MYSQL_OPTIONS,
)

oauth_states = sa.Table(
    "oauth_states",
    metadata,
    sa.Column("digest", exact_text(64), primary_key=True),
    sa.Column("id", Id, nullable=False),
    sa.Column("browser", exact_text(64), nullable=False),
    sa.Column("step", exact_text(16), nullable=False),
    sa.Column("user_id", exact_text(128), nullable=False),
    sa.Column("actor", exact_text(160), nullable=False),
    sa.Column("platform", exact_text(32), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Index("ix_oauth_states_user", "user_id", "expires_at"),
    sa.Index("ix_oauth_states_expiry", "expires_at"),
    **MYSQL_OPTIONS,
)
