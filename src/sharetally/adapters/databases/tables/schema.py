"""What all tables have in common: names of constraints, exact text, the columns of a content item."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# Compared byte by byte everywhere: PostgreSQL by column, MySQL and MariaDB by table, SQLite by nature.
MYSQL_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_0900_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """Text that is compared exactly."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def content_columns() -> tuple[sa.Column[str], sa.Column[str]]:
    """The columns of a content item."""
    return (
        sa.Column("content_type", exact_text(32), nullable=False),
        sa.Column("content_id", exact_text(128), nullable=False),
    )
