"""The benchmark: each row measured against its reference, in turn, in the same run.

`row.py` says what a row is, `rows/` holds one file for each, `harness.py` has the private servers they run on.
A row measures a side (`sides/`: Sharetally, or the usual way of `control/`) under a load (`load/`) against a
limit (`reference/`). `report.py`, `chart.py` and `page.py` tell what came out.
"""
