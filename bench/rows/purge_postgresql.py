"""Deleting outdated idempotency keys when many are stored, on postgresql."""

from __future__ import annotations

from bench.sides.purge_row import purge_row

ROW = purge_row("purge-postgresql", "postgresql", 113)
