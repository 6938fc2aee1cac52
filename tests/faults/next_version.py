"""The program as its next version might be: the same, with one more revision, which adds a column and a table.

It is a copy of the package in a folder of its own; a process takes it by having that folder on its PYTHONPATH.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import sharetally
from sharetally.adapters.migrations import HEAD

NEXT_REVISION = f"{int(HEAD) + 1:04d}"
_REVISION = f'''"""A trivial revision that only adds."""

import sqlalchemy as sa
from alembic import op

from sharetally.adapters.migrations.steps import create_table_if_missing

revision = "{NEXT_REVISION}"
down_revision = "{HEAD}"


def upgrade() -> None:
    """A column on each of the busiest tables, and a table."""
    for table in ("share_records", "events", "share_totals"):
        if "note" not in [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]:
            op.add_column(table, sa.Column("note", sa.String(200)))
    create_table_if_missing("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(200)))
'''


def next_version(folder: Path) -> str:
    """Make it there, and return what goes on the path."""
    package = folder / "sharetally"
    shutil.copytree(Path(sharetally.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    migrations = package / "adapters" / "migrations"
    (migrations / "versions" / f"{NEXT_REVISION}_note.py").write_text(_REVISION)
    entry = migrations / "__init__.py"
    entry.write_text(entry.read_text().replace(f'HEAD = "{HEAD}"', f'HEAD = "{NEXT_REVISION}"'))
    return str(folder)
