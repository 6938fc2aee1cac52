"""What is counted, and what waits for it: events, totals, cells and rollups."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, content_columns, exact_text, metadata
from sharetally.adapters.databases.types import Id, UtcTime, db_now

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job", exact_text(32), nullable=False),
    *content_columns(),
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

queue_marks = sa.Table(
    "queue_marks",
    metadata,
    sa.Column("queue", exact_text(32), primary_key=True),
    sa.Column("marked_at", UtcTime, nullable=False),
    **MYSQL_OPTIONS,
)

share_totals = sa.Table(
    "share_totals",
    metadata,
    *content_columns(),
    sa.Column("shares", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id"),
    **MYSQL_OPTIONS,
)

share_counts = sa.Table(
    "share_counts",
    metadata,
    *content_columns(),
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
    *content_columns(),
    sa.Column("channel", exact_text(64), nullable=False),
    sa.Column("evidence", exact_text(16), nullable=False),
    sa.Column("bucket", UtcTime, nullable=False),
    sa.Column("made", sa.BigInteger, nullable=False),
    sa.Column("withdrawn", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id", "channel", "evidence", "bucket"),
    sa.Index("ix_share_rollups_bucket", "bucket"),
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
