"""The cost of a page of the audit that has many lines, on mariadb."""

from __future__ import annotations

from bench.sides.audit_row import audit_row

ROW = audit_row("audit-mariadb", "mariadb", 116)
