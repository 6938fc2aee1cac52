"""Counts by content, near the reader: in memory, in Redis, or nowhere."""
