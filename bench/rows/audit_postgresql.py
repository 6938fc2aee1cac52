"""What a page of the audit costs when there are many lines, on postgresql."""

from __future__ import annotations

from bench.sides.auditing import searched

ROW = searched("audit-postgresql", "postgresql", 115)
