"""Posts: what was published for users, what waits, and what a person has to decide."""
