"""The schema's history, one for all databases, and how to bring a database to its head.

`upgrade` is safe to run twice at once: the second waits for the first and then finds nothing to do.
MySQL commits each DDL statement by itself, so a revision there must be able to go on where it stopped.
"""

HEAD = "0007"
