"""Deleting outdated idempotency keys when many are stored, on mariadb."""

from __future__ import annotations

from bench.sides.purge_row import purge_row

ROW = purge_row("purge-mariadb", "mariadb", 114)
