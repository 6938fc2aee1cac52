"""What posting costs, by platform and UTC day: one row for each user, and one with an empty user for the total."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, exact_text, metadata

spending = sa.Table(
    "spending",
    metadata,
    sa.Column("platform", exact_text(32), primary_key=True),
    sa.Column("day", exact_text(10), primary_key=True),
    sa.Column("user_id", exact_text(128), primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    **MYSQL_OPTIONS,
)
