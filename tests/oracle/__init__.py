"""The oracle: a whole system under load, and a judge that knows what every answer promised.

In the order of a run: `system` starts real processes (`process` is one of them), `load` sends `client_requests` over
`client` and enters into `expected` what was answered; in the meantime `faults` kills and cuts, and `watch` runs
`verify` to find drift. In the end `judge` compares the database (`tables`) and the counts with `expected` and gives
a `verdict`. A `distributed_load` runs in several processes, and what they saw of each other's writes is checked
afterwards (`shared_bounds`). `run` is all of that; `python -m tests.oracle` runs it from a terminal.

Nothing here uses the service's own code to decide what is right.
"""
