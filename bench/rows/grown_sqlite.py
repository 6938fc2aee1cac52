"""What a share costs when the ledger is large, on sqlite."""

from __future__ import annotations

from bench.sides.growing import grown

ROW = grown("grown-sqlite", "sqlite", 112)
