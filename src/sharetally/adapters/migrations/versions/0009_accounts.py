"""Connected accounts with their sealed tokens, and connections that were begun.

Revision ID: 0009
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.databases.types import Id, UtcTime
from sharetally.adapters.migrations.steps import create_table_if_missing

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables; processes of the previous version keep working and never read them."""
    create_table_if_missing(
        "accounts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", exact_text(128), nullable=False),
        sa.Column("platform", exact_text(32), nullable=False),
        sa.Column("external_id", exact_text(255), nullable=False),
        sa.Column("server", exact_text(255), nullable=False),
        sa.Column("handle", sa.String(255), nullable=False),
        sa.Column("label", sa.String(100)),
        sa.Column("is_default", sa.SmallInteger),
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
        sa.CheckConstraint("status IN ('connected', 'needs_reauth')", name="ck_accounts_status"),
        sa.Index("ix_accounts_refresh", "status", "refresh_at"),
    )
    create_table_if_missing(
        "oauth_states",
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
    )


def downgrade() -> None:
    """Remove the tables, and with them all accounts."""
    for table in ("oauth_states", "accounts"):
        op.drop_table(table)
