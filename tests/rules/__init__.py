"""The whole service against a model of a few dictionaries: both must answer every request in the same way.

`model` is the state; `client_requests/` holds the possible requests, each with what the contract promises; `machine`
applies them to the service and to the model, one by one or all at once, and counts events in any order; `harness` is
the service. `test_rules` runs it on each database; `test_planted_faults` shows that it would find what is broken.
"""
