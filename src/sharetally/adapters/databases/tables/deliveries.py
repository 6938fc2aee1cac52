"""Deliveries, their messages and targets, and the workers that send them."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, exact_text, metadata
from sharetally.adapters.databases.types import Id, UtcTime, db_now

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
    sa.Column("version", exact_text(64)),
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
    sa.Column("pauses", sa.Integer, nullable=False, server_default=sa.text("0")),
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
