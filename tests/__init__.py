"""Every test of Sharetally, and `services`: the real databases and brokers that they run on.

A test owns what it uses: a database, a virtual host or a number that nobody else has, gone when it ends.
"""
