"""Posts: every attempt to publish a share on a platform."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, exact_text, metadata
from sharetally.adapters.databases.types import Id, UtcTime

posts = sa.Table(
    "posts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("record_id", Id, nullable=False),
    sa.Column("content_type", exact_text(32), nullable=False),
    sa.Column("content_id", exact_text(128), nullable=False),
    sa.Column("platform", exact_text(32), nullable=False),
    sa.Column("user_id", exact_text(128), nullable=False),
    sa.Column("account_id", Id, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("status", exact_text(16), nullable=False),
    sa.Column("open_record", Id),  # the record while the post is open, so that a record has one open post at most
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("request_id", exact_text(128), nullable=False),
    sa.Column("prepared", sa.Text),
    sa.Column("attempted_at", UtcTime),
    sa.Column("scheduled_at", UtcTime),
    sa.Column("cancel_requested", sa.SmallInteger, nullable=False),
    sa.Column("external_id", sa.String(255)),
    sa.Column("external_url", sa.String(2048)),
    sa.Column("error_code", exact_text(64)),
    sa.Column("error_message", sa.String(500)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Column("charged", sa.BigInteger),
    sa.Column("charged_on", exact_text(10)),
    sa.UniqueConstraint("record_id", "number", name="uq_posts_number"),
    sa.UniqueConstraint("open_record", name="uq_posts_open_record"),
    sa.CheckConstraint("status IN ('pending', 'sending', 'success', 'failed', 'unknown', 'cancelled')", name="status"),
    sa.Index("ix_posts_user", "user_id", "id"),
    sa.Index("ix_posts_status", "status", "id"),
    **MYSQL_OPTIONS,
)
