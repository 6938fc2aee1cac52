"""The cost of a share when the ledger is large, on mariadb."""

from __future__ import annotations

from bench.sides.growth_row import growth_row

ROW = growth_row("grown-mariadb", "mariadb", 111)
