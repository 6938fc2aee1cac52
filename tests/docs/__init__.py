"""The documentation against the code: what a page says is there, and what is there a page says."""
