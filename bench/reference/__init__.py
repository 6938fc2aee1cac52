"""The limits: what the same machine does when nothing but the one thing is done."""
