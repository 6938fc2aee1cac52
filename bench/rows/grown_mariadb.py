"""What a share costs when the ledger is large, on mariadb."""

from __future__ import annotations

from bench.sides.growing import grown

ROW = grown("grown-mariadb", "mariadb", 111)
