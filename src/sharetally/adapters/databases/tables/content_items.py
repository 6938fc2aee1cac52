"""What somebody told about content items, and the words of their titles."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, content_columns, exact_text, metadata
from sharetally.adapters.databases.types import UtcTime

content_details = sa.Table(
    "content_details",
    metadata,
    *content_columns(),
    sa.Column("title", sa.String(300)),
    sa.Column("image", sa.String(2048)),
    sa.Column("url", sa.String(2048)),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("content_type", "content_id"),
    **MYSQL_OPTIONS,
)

content_words = sa.Table(
    "content_words",
    metadata,
    sa.Column("word", exact_text(64), nullable=False),
    *content_columns(),
    sa.PrimaryKeyConstraint("word", "content_type", "content_id"),
    sa.Index("ix_content_words_content", "content_type", "content_id"),
    **MYSQL_OPTIONS,
)
