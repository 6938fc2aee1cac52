"""Unique names for active API keys, because the name is the actor, the owner of shares and the idempotency namespace.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import exact_text
from sharetally.adapters.migrations.steps import add_column_if_missing, create_index_if_missing

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAME, _TABLE, _COLUMN = "ix_api_keys_active_name", "api_keys", "active_name"
# Of several keys with the same name, the newest gets it. The inner SELECT is nested because MySQL cannot otherwise read
# the table that it updates.
_CLAIM = """
UPDATE api_keys SET active_name = name WHERE id IN (SELECT id FROM (
    SELECT id FROM api_keys claims WHERE revoked_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM api_keys newer
        WHERE newer.name = claims.name AND newer.revoked_at IS NULL AND newer.id > claims.id
    )
) AS newest)
"""


def upgrade() -> None:
    """Add the column, which is empty for revoked keys, and make it unique.

    Existing keys with the same name keep working, as do processes of the previous version, which leave it empty.
    """
    add_column_if_missing(_TABLE, sa.Column(_COLUMN, exact_text(64)))
    op.execute(_CLAIM)
    create_index_if_missing(_NAME, _TABLE, _COLUMN, unique=True)


def downgrade() -> None:
    """Allow several keys with the same name again."""
    op.drop_index(_NAME, _TABLE)
    op.drop_column(_TABLE, _COLUMN)
