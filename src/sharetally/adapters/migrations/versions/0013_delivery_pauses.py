"""How many attempts of a delivery ended because its target pauses; they do not count as failed.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.migrations.steps import add_column_if_missing

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; processes of the previous version leave it at 0, and count pauses as attempts."""
    add_column_if_missing("deliveries", sa.Column("pauses", sa.Integer, nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("deliveries", "pauses")
