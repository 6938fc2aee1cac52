"""The script that Alembic runs: it uses the connection, or prints for the dialect, that `runner.py` passes in."""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name=attributes["dialect"], output_buffer=attributes["out"])
else:
    context.configure(connection=attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
