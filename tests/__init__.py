"""All tests of Sharetally, and `services`: the real databases and brokers on which they run.

A test owns what it uses: a database, a virtual host or a number that nothing else uses and that is removed at the end.
"""
