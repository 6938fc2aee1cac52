"""What a share is, checked against the requirements: the table, the ids, the folding, the answers."""
