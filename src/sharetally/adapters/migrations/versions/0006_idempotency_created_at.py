"""Idempotency keys are found by age: they are forgotten as fast as requests bring new ones.

Revision ID: 0006
Revises: 0004
"""

from __future__ import annotations

from alembic import op

from sharetally.adapters.migrations.steps import create_index_if_missing

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME, _TABLE = "ix_idempotency_keys_created_at", "idempotency_keys"


def upgrade() -> None:
    """Add the index; a process of the version before goes on as it did."""
    create_index_if_missing(_NAME, _TABLE, "created_at")


def downgrade() -> None:
    """Without it, forgetting reads the whole table."""
    op.drop_index(_NAME, _TABLE)
