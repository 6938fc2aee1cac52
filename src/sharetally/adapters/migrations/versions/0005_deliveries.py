"""Deliveries: messages, targets, gates, the deliveries with their log, and the heartbeats of workers.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.databases.types import Id, UtcTime, db_now
from sharetally.adapters.migrations.steps import create_table_if_missing

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables; processes of the previous version keep working and never read them."""
    create_table_if_missing(
        "messages",
        sa.Column("id", Id, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False, server_default=db_now()),
    )
    create_table_if_missing(
        "delivery_gates",
        sa.Column("gate", exact_text(64), primary_key=True),
        sa.Column("closed_until", UtcTime),
        sa.Column("reason", sa.String(500), nullable=False),
    )
    create_table_if_missing(
        "delivery_targets",
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
    )
    create_table_if_missing(
        "deliveries",
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
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'dead', 'unknown', 'cancelled')", name="ck_deliveries_state"
        ),
        sa.Index("ix_deliveries_due", "kind", "target", "state", "due_at", "id"),
        sa.Index("ix_deliveries_state", "state", "kind", "due_at", "id"),
        sa.Index("ix_deliveries_message", "message_id"),
    )
    create_table_if_missing(
        "delivery_log",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", exact_text(32), nullable=False),
        sa.Column("target", exact_text(160), nullable=False),
        sa.Column("key", exact_text(128), nullable=False),
        sa.Column("outcome", exact_text(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.String(500)),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("finished_at", UtcTime, nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'discarded', 'cancelled')", name="ck_delivery_log_outcome"),
        sa.Index("ix_delivery_log_target", "kind", "target", "outcome", "finished_at", "id"),
        sa.Index("ix_delivery_log_outcome", "outcome", "finished_at", "id"),
    )
    create_table_if_missing(
        "delivery_workers",
        sa.Column("id", Id, primary_key=True),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("beat_at", UtcTime, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables, and with them all deliveries."""
    for table in ("delivery_workers", "delivery_log", "deliveries", "delivery_targets", "delivery_gates", "messages"):
        op.drop_table(table)
