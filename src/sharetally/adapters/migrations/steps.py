"""Steps of a revision that can be taken again, where MySQL stopped between two of them, and be printed for a DBA."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.databases.tables import MYSQL_OPTIONS


def create_table_if_missing(name: str, *items: sa.schema.SchemaItem) -> None:
    """Make a table and its indexes, those that are not there yet."""
    indexes = [item for item in items if isinstance(item, sa.Index)]
    rest = [item for item in items if not isinstance(item, sa.Index)]
    op.create_table(name, *rest, if_not_exists=True, **MYSQL_OPTIONS)
    for index in indexes:
        create_index_if_missing(str(index.name), name, *(str(column) for column in index.expressions))


def create_index_if_missing(name: str, table: str, *columns: str, unique: bool = False) -> None:
    """Make an index, if it is not there yet."""
    if not _has_index(table, name):
        op.create_index(name, table, list(columns), unique=unique)


def add_column_if_missing(table: str, column: sa.Column[Any]) -> None:
    """Add a column, if it is not there yet."""
    if op.get_context().as_sql or column.name not in {each["name"] for each in _columns(table)}:
        op.add_column(table, column)


def _columns(table: str) -> list[Any]:
    return list(sa.inspect(op.get_bind()).get_columns(table))


def _has_index(table: str, index: str) -> bool:
    """MySQL knows no CREATE INDEX IF NOT EXISTS. What is printed begins with nothing."""
    return not op.get_context().as_sql and sa.inspect(op.get_bind()).has_index(table, index)


def execute_statement(statement: str) -> None:
    """Run a statement; where it has semicolons of its own, the client of MySQL has to be told where it ends."""
    context = op.get_context()
    if context.as_sql and ";" in statement and context.dialect.name in ("mysql", "mariadb"):
        context.impl.static_output(f"DELIMITER //\n\n{statement} //\n\nDELIMITER ;\n")
    else:
        op.execute(statement)
