"""The benchmark's own parts: what it computes, what it writes, and that it stays in step with the schema."""
