"""What a page of the audit costs when there are many lines, on mariadb."""

from __future__ import annotations

from bench.sides.auditing import searched

ROW = searched("audit-mariadb", "mariadb", 116)
