"""Steps of a revision: repeatable, as MySQL may be interrupted between two of them, and printable for a DBA."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import MYSQL_OPTIONS


def create_table_if_missing(name: str, *items: sa.schema.SchemaItem) -> None:
    """Create a table and its indexes where they do not exist yet."""
    indexes = [item for item in items if isinstance(item, sa.Index)]
    rest = [item for item in items if not isinstance(item, sa.Index)]
    op.create_table(name, *rest, if_not_exists=True, **MYSQL_OPTIONS)
    for index in indexes:
        create_index_if_missing(str(index.name), name, *(str(column) for column in index.expressions))


def create_index_if_missing(name: str, table: str, *columns: str, unique: bool = False) -> None:
    """Create an index if it does not exist yet; MySQL has no CREATE INDEX IF NOT EXISTS."""
    # printed SQL is for an empty database, and there is no connection to inspect
    if op.get_context().as_sql or not sa.inspect(op.get_bind()).has_index(table, name):
        op.create_index(name, table, list(columns), unique=unique)


def add_column_if_missing(table: str, column: sa.Column[Any]) -> None:
    """Add a column if it does not exist yet."""
    if op.get_context().as_sql or column.name not in {
        existing["name"] for existing in sa.inspect(op.get_bind()).get_columns(table)
    }:
        op.add_column(table, column)


def execute_statement(statement: str) -> None:
    """Run a statement, or print it; MySQL's client needs a delimiter if the statement contains semicolons."""
    context = op.get_context()
    if context.as_sql and ";" in statement and context.dialect.name in ("mysql", "mariadb"):
        context.impl.static_output(f"DELIMITER //\n\n{statement} //\n\nDELIMITER ;\n")
    else:
        op.execute(statement)
