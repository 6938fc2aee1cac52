"""One file per store, each with its own SQL: every statement stands once, for all databases."""
