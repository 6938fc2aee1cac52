"""The fault suite: one row per thing that goes wrong, on every database that it concerns, and what was lost by it.

A row (`row`, one file each in `rows/`) performs on a `harness`: a real system under load from several processes, with
servers and wires to break. `performance` is one row on one database in a process of its own; `runner` sends many and
collects; `scoreboard` judges, and shows the table; `document` writes the last real run into docs/reliability.md.
`python -m tests.faults` is `make faults`.
"""
