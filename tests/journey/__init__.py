"""Journeys: the whole service as real processes, from a request over HTTP to a count that is proved.

In the order of growing trouble: the first share, twins at once, a mixed load, faults within a load. The oracle
(`tests/oracle`) starts the systems and knows what every answer promised; `test_oracle` proves that it notices.
"""
