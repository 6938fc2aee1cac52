"""What posting costs, and what each post has reserved.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.migrations.steps import add_column_if_missing, create_table_if_missing

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and two columns; processes of the previous version post to no platform that charges."""
    create_table_if_missing(
        "spending",
        sa.Column("platform", exact_text(32), primary_key=True),
        sa.Column("day", exact_text(10), primary_key=True),
        sa.Column("user_id", exact_text(128), primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    add_column_if_missing("posts", sa.Column("charged", sa.BigInteger))
    add_column_if_missing("posts", sa.Column("charged_on", exact_text(10)))


def downgrade() -> None:
    """Remove them, and with them what was spent."""
    op.drop_column("posts", "charged_on")
    op.drop_column("posts", "charged")
    op.drop_table("spending")
