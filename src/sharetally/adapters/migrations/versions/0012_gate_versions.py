"""Gates that are closed for the users of one version of an API only.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.migrations.steps import add_column_if_missing

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; for processes of the previous version, which do not read it, a closed gate is closed for all."""
    add_column_if_missing("delivery_gates", sa.Column("version", exact_text(64)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("delivery_gates", "version")
