"""What a share costs when the ledger is large, on postgresql."""

from __future__ import annotations

from bench.sides.growing import grown

ROW = grown("grown-postgresql", "postgresql", 110)
