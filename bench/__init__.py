"""The benchmark: each row is measured in turn with its reference, in the same run.

`row.py` defines a row, `rows/` holds one file for each, and `harness.py` has the private servers on which they run.
A row measures a side (`sides/`: Sharetally, or the usual way in `control/`) under a load (`load/`), compared with a
limit (`reference/`). `report.py`, `chart.py` and `page.py` show the results.
"""
