"""Posting against a model of two booleans a share: whatever happens, the record tells what the timelines show.

`fake_timelines` are the platforms, which know what is really there; `harness` is the service, with workers that stop
at any point, are killed or lose their lease; `model` is what the user has said; `machine` does anything in any order
and compares the three after each step.
"""
