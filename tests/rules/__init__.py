"""The whole service against a model of a few dictionaries: whatever is asked in whatever order, both say the same.

`model` is what stands; `wishes/` are what may be asked, each with what the contract promises; `machine` tells them to
the service and to the model, one by one or all at once, and counts events in any order; `harness` is the service.
`test_rules` runs it on each database, `test_planted_faults` shows that it would find what is broken.
"""
