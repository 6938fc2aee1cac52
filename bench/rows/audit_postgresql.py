"""What a page of the audit costs when there are many lines, on postgresql."""

from __future__ import annotations

from bench.sides.audit_row import audit_row

ROW = audit_row("audit-postgresql", "postgresql", 115)
