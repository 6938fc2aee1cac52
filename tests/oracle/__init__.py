"""The oracle: a whole system under load, and a judge who knows what every answer promised.

In the order of a run: `system` starts real processes (`process` is one of them), `load` sends `operations` over
`client` and enters into `expected` what was answered, `faults` kills and cuts meanwhile while `watch` asks
`verify` for drift. In the end `judge` holds the database (`tables`) and the counts against `expected` and
gives a `verdict`. A `crowd` is a load from several processes (`crew`), with what they saw of each other's writes
checked afterwards (`glances`). `run` is all of that; `python -m tests.oracle` runs it from a terminal.

Nothing here uses the service's own code to decide what is right.
"""
