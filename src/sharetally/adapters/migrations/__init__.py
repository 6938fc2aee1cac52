"""The history of the schema, the same for all databases, and the runner that upgrades a database to its head.

`upgrade` is safe to run twice at the same time: the second run waits for the first one and then has nothing to do.
MySQL commits each DDL statement separately, so every revision must be able to continue where it was interrupted.
"""

HEAD = "0013"
