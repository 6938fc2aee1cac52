"""The domain, checked against the requirements: the table, the ids, the folding, the answers."""
