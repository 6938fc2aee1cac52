"""Traces: what is seen of a share on its way, and that nothing of it is there while nobody looks."""
