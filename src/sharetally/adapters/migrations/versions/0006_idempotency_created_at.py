"""An index on the age of idempotency keys, so that they can be purged as fast as requests add new ones.

Revision ID: 0006
Revises: 0005
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
    """Add the index; processes of the previous version keep working."""
    create_index_if_missing(_NAME, _TABLE, "created_at")


def downgrade() -> None:
    """Remove the index; a purge then reads the whole table."""
    op.drop_index(_NAME, _TABLE)
