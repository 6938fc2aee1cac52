"""The limits: what the same machine achieves when it does only this one thing."""
